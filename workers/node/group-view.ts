// A plan as one of its members sees it. Pure.
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import { holdersOf } from '../cluster/place-experts.ts';

export interface GroupView {
  readonly plan: GroupPlan;
  /** Indices into plan.members. */
  readonly me: number;
  readonly leader: number;
  /** Members that hold each expert of each layer, ascending: [layers * experts][...members]. */
  readonly holders: readonly (readonly number[])[];
  readonly speed: readonly number[];
}

/** Null when the plan does not name this very process. count: experts of all layers. */
export function viewGroup(
  plan: GroupPlan,
  node: { readonly nodeId: string; readonly incarnation: string },
  count: number,
): GroupView | null {
  const me = plan.members.findIndex(({ id, incarnation }) => id === node.nodeId && incarnation === node.incarnation);
  const leader = plan.members.findIndex(({ id }) => id === plan.leader);
  if (me === -1 || leader === -1) return null;
  const holders = holdersOf(
    plan.members.map(({ experts }) => experts),
    count,
  );
  return { plan, me, leader, holders, speed: plan.members.map(({ speed }) => speed) };
}

export function memberId(view: GroupView, member: number): string {
  return view.plan.members[member]?.id ?? `member ${member}`;
}
