// Assigns as long as all is well like any other policy, and without the members under suspicion once there are some.
import { ExpertAssigner } from './assign-experts.ts';
import type { GroupView } from './group-view.ts';
import type { LoadPolicy } from './layer-work.ts';

export class SuspectAwarePolicy implements LoadPolicy {
  readonly #view: GroupView;
  readonly #suspects = new Set<number>();
  #policy: LoadPolicy;

  constructor(view: GroupView, policy: LoadPolicy) {
    this.#view = view;
    this.#policy = policy;
  }

  /** Members that get no more work under this plan, ascending. */
  get suspects(): readonly number[] {
    return [...this.#suspects].sort((a, b) => a - b);
  }

  suspect(member: number): void {
    this.#suspects.add(member);
    const { holders, speed, plan } = this.#view;
    const live = holders.map((of) => of.filter((holder) => !this.#suspects.has(holder)));
    this.#policy = new ExpertAssigner({ holders: live, members: plan.members.length, speed });
  }

  /** Throws DomainError `unavailable` when a selected expert has no holder left. */
  assign(experts: Int32Array, nodes: Int32Array): void {
    this.#policy.assign(experts, nodes);
  }

  padding(layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[] {
    return this.#policy.padding?.(layer, experts, nodes) ?? [];
  }
}
