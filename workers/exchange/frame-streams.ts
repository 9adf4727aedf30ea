// Names of the streams that frames lie in: of every member one that all others read, and one for each receiver. Pure.
import type { GroupPlan, PlanMember } from '../../infra/messages/group-plan.ts';
import { keyOf } from '../../infra/redis/keys.ts';

type Members = Pick<GroupPlan, 'group' | 'topology'> & { readonly members: readonly Pick<PlanMember, 'id'>[] };

export function broadcastStream({ group }: Members, sender: string): string {
  return keyOf('frames', `${group}:${sender}`);
}

export function directStream({ group }: Members, sender: string, receiver: string): string {
  return keyOf('frames', `${group}:${sender}>${receiver}`);
}

/** The streams that other members write for member `me`, and their writers. Centralized groups have no broadcast. */
export function incomingStreams(plan: Members, me: number): readonly { readonly key: string; readonly from: number }[] {
  const receiver = plan.members[me]?.id ?? '';
  return [...plan.members.entries()].flatMap(([from, { id }]) => {
    if (from === me) return [];
    const direct = { key: directStream(plan, id, receiver), from };
    return plan.topology === 'centralized' ? [direct] : [{ key: broadcastStream(plan, id), from }, direct];
  });
}
