// The plan of a group: who takes part in its steps and holds what. Written by the leader, read by members, frames and views.

/**
 * centralized: the leader holds attention and KV, the others compute experts. decentralized: every member repeats attention
 * and router on its own KV.
 */
export type Topology = (typeof TOPOLOGIES)[number];

export const TOPOLOGIES = ['centralized', 'decentralized'] as const;

export interface PlanMember {
  readonly id: string;
  /** Random, of the process: a process that was started again under the same id has lost its KV and is another member. */
  readonly incarnation: string;
  /** Ids, ascending. */
  readonly experts: readonly number[];
  /** Holds attention, router and embeddings. */
  readonly shared: boolean;
  /** The Redis to which others write its frames; null: the group's exchange. */
  readonly exchangeUrl: string | null;
  /** Relative; 1 for all when nothing is known. */
  readonly speed: number;
}

export interface GroupPlan {
  readonly group: string;
  /** Above every epoch of the group before it, leases included; changes with members, experts and topology. */
  readonly epoch: number;
  /** Id of the member that leads. */
  readonly leader: string;
  readonly topology: Topology;
  /** By id, ascending; the leader included. */
  readonly members: readonly PlanMember[];
  /** Results have the same bits within one class; `a+b` where members are of several. */
  readonly numericsClass: string;
  /** SHA-256 of the checkpoint's files. */
  readonly modelHash: string;
  /** Why it replaced the one before, for operators. */
  readonly reason: string;
  /** Unix time in ms on the leader's clock, for operators. */
  readonly createdAtMs: number;
}
