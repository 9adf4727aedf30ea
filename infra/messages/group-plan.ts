// The plan of a group: which nodes take part in its steps and which weights each holds. Written by the leader, read by
// members and the admin API.

import { decodeHeld, encodeHeld } from './expert-ids.ts';

/**
 * centralized: the leader computes attention and holds the KV cache, the other members compute experts. decentralized: every
 * member computes attention and router on its own KV cache.
 */
export type Topology = (typeof TOPOLOGIES)[number];

export const TOPOLOGIES = ['centralized', 'decentralized'] as const;

export interface PlanMember {
  readonly id: string;
  /** Random per process. A restarted process has lost its KV cache, so it counts as a different member under the same id. */
  readonly incarnation: string;
  /** Ids of experts of layers (expert-ids.ts), ascending. */
  readonly experts: readonly number[];
  /** Holds attention, router and embeddings. */
  readonly shared: boolean;
  /** The Redis on which it receives frames; null for the group's exchange. */
  readonly exchangeUrl: string | null;
  /** Relative to the other members; 1 for all until it is measured. */
  readonly speed: number;
}

export interface GroupPlan {
  readonly group: string;
  /** Greater than every earlier epoch of the group, including those of leases. Changes with members, experts and topology. */
  readonly epoch: number;
  /** Id of the leading member. */
  readonly leader: string;
  readonly topology: Topology;
  /** Sorted by id, including the leader. */
  readonly members: readonly PlanMember[];
  /** Nodes of one class compute bit-identical results; `a+b` if members belong to several classes. */
  readonly numericsClass: string;
  /** SHA-256 of the checkpoint's files. */
  readonly modelHash: string;
  /** Why it replaced the previous plan, for operators. */
  readonly reason: string;
  /** Unix time in ms on the leader's clock, for operators. */
  readonly createdAtMs: number;
}

/** The plan as Redis and the step log hold it. The epoch may be missing: it is given by Redis. */
export function encodePlan(plan: Omit<GroupPlan, 'epoch'>): string {
  return JSON.stringify({ ...plan, members: plan.members.map(encodeHeld) });
}

export function decodePlan(text: string): GroupPlan {
  const plan = JSON.parse(text);
  return { ...plan, members: plan.members.map(decodeHeld) };
}
