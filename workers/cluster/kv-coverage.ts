// Tracks which members have a complete KV cache. In: plans, in order. Out: whether the members of a plan can continue, or all
// positions must be recomputed. Pure.
import type { GroupPlan } from '../../infra/messages/group-plan.ts';

export class KvCoverage {
  /** Incarnations; null before the first step, when every KV cache is complete. */
  #complete: ReadonlySet<string> | null = null;

  /** To be told of every plan: false when a member that needs KV lacks some of it. */
  allows(plan: GroupPlan): boolean {
    const complete = this.#complete;
    return complete === null || attending(plan).every((incarnation) => complete.has(incarnation));
  }

  /** Records a step of the plan: members that do not compute attention fall behind. */
  advance(plan: GroupPlan): void {
    const before = this.#complete;
    const members = attending(plan);
    this.#complete = new Set(before === null ? members : members.filter((incarnation) => before.has(incarnation)));
  }

  /** Everything is computed again from the first token. */
  forget(): void {
    this.#complete = null;
  }
}

/** Members that keep KV. */
function attending({ topology, members, leader }: GroupPlan): readonly string[] {
  return members
    .filter(({ id }) => topology === 'decentralized' || id === leader)
    .map(({ incarnation }) => incarnation);
}
