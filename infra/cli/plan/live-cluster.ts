// The nodes of a running group as input of the planner. In: heartbeats and routing counts in Redis. Out: planned nodes, the
// leader first, and the router's choices so far.
import type { Redis } from 'ioredis';
import type { PlannedNode } from '../../../workers/plan/machine.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { type NodeReport, readNodes } from '../../registry/node-heartbeats.ts';
import { readRoutingCounts } from '../../registry/routing-counts.ts';

export interface LiveCluster {
  readonly nodes: readonly PlannedNode[];
  /** [layers, experts], flat; null before the first record. */
  readonly counts: Float64Array | null;
}

/** Throws DomainError `unavailable` when the group has no nodes, or one that has not measured its memory yet. */
export async function readLiveCluster(redis: Redis, group: string): Promise<LiveCluster> {
  const reports = (await readNodes(redis)).filter((report) => report.group === group);
  const [first] = reports;
  if (first === undefined)
    throw new DomainError(
      'unavailable',
      `No node of group ${group} is running. Start one, or choose another group with --group.`,
    );
  const counts = await readRoutingCounts(redis, first.model);
  return {
    nodes: reports.toSorted((left, right) => rank(left) - rank(right)).map((report) => plannedNode(report, reports)),
    counts: counts === null ? null : Float64Array.from(counts.counts),
  };
}

function rank({ role }: NodeReport): number {
  return role === 'leader' ? 0 : 1;
}

/** Arithmetic is not measured: decode steps are bound by memory bandwidth. */
const UNKNOWN_FLOPS = 1e15;

function plannedNode({ id, host, holdings }: NodeReport, all: readonly NodeReport[]): PlannedNode {
  const { memoryBytes, bytesPerSecond, maxExperts } = holdings;
  if (bytesPerSecond === 0)
    throw new DomainError(
      'unavailable',
      `Node ${id} has not measured its memory bandwidth yet. Try again in a few seconds.`,
    );
  // Each node has measured alone. The nodes of a host share its bandwidth, estimated as that of the fastest one.
  const ofHost = all.filter((other) => other.host === host).map((other) => other.holdings.bytesPerSecond);
  const flops = { flops: UNKNOWN_FLOPS, hostFlops: UNKNOWN_FLOPS };
  const rates = { bytesPerSecond, hostBytesPerSecond: Math.max(...ofHost) };
  return { name: id, host, memoryBytes, maxExperts, ...rates, ...flops, dollars: 0, watts: 0 };
}
