// The nodes of a running group as the planner takes them. In: REDIS_URL's heartbeats and routing counts. Out: planned nodes,
// the leader first, and what the router chose so far.
import type { Redis } from 'ioredis';
import type { PlannedNode } from '../../../workers/plan/machine.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { type NodeReport, readNodes } from '../../registry/node-heartbeats.ts';
import { readRoutingCounts } from '../../registry/routing-counts.ts';

export interface LiveCluster {
  readonly nodes: readonly PlannedNode[];
  /** [layers, experts], flat; null when nothing is known yet. */
  readonly counts: Float64Array | null;
}

/** Throws DomainError `unavailable` when the group has no nodes, or one that has not measured its memory yet. */
export async function readLiveCluster(redis: Redis, group: string): Promise<LiveCluster> {
  const reports = (await readNodes(redis)).filter((report) => report.group === group);
  const [first] = reports;
  if (first === undefined) throw new DomainError('unavailable', `No node of group ${group} is running.`);
  const counts = await readRoutingCounts(redis, first.model);
  return {
    nodes: reports.toSorted((left, right) => rank(left) - rank(right)).map((report) => plannedNode(report, reports)),
    counts: counts === null ? null : Float64Array.from(counts.counts),
  };
}

function rank({ role }: NodeReport): number {
  return role === 'leader' ? 0 : 1;
}

/** Arithmetic is not measured: reading is what a decode step waits for. */
const UNKNOWN_FLOPS = 1e15;

function plannedNode({ id, host, holdings }: NodeReport, all: readonly NodeReport[]): PlannedNode {
  const { memoryBytes, bytesPerSecond, maxExperts } = holdings;
  if (bytesPerSecond === 0)
    throw new DomainError('unavailable', `Node ${id} has not measured its memory yet; try again.`);
  // Each node measured by itself; together they are taken to read no more than the quickest of them.
  const ofHost = all.filter((other) => other.host === host).map((other) => other.holdings.bytesPerSecond);
  const flops = { flops: UNKNOWN_FLOPS, hostFlops: UNKNOWN_FLOPS };
  const rates = { bytesPerSecond, hostBytesPerSecond: Math.max(...ofHost) };
  return { name: id, host, memoryBytes, maxExperts, ...rates, ...flops, dollars: 0, watts: 0 };
}
