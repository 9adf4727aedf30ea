// Assigns as long as all is well like any other policy, and without the members under suspicion once there are some.
import { ExpertAssigner } from './assign-experts.ts';
import { type GroupView, memberId } from './group-view.ts';
import type { LoadPolicy } from './layer-work.ts';
import { StepFailure } from './step-failure.ts';

export class SuspectAwarePolicy implements LoadPolicy {
  readonly #view: GroupView;
  /** Member -> why it is under suspicion. */
  readonly #suspects = new Map<number, string>();
  #policy: LoadPolicy;

  constructor(view: GroupView, policy: LoadPolicy) {
    this.#view = view;
    this.#policy = policy;
  }

  /** Members that get no more work under this plan, ascending. */
  get suspects(): readonly number[] {
    return [...this.#suspects.keys()].sort((a, b) => a - b);
  }

  suspect(member: number, why: string): void {
    this.#suspects.set(member, why);
    const { holders, speed, plan } = this.#view;
    const live = holders.map((of) => of.filter((holder) => !this.#suspects.has(holder)));
    this.#policy = new ExpertAssigner({ holders: live, members: plan.members.length, speed });
  }

  /** Throws StepFailure `no_holder`, naming the suspects, when a selected expert has no holder left. */
  assign(experts: Int32Array, nodes: Int32Array): void {
    try {
      this.#policy.assign(experts, nodes);
    } catch (unavailable) {
      const lost = this.suspects.map((member) => memberId(this.#view, member));
      const reasons = [...this.#suspects.values()].join(' ');
      throw new StepFailure('no_holder', `An expert has no holder left. ${reasons}`, lost, unavailable);
    }
  }

  padding(layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[] {
    return this.#policy.padding?.(layer, experts, nodes) ?? [];
  }
}
