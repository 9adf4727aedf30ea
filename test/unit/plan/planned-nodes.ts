// Nodes for tests of the planner: round numbers.
import type { PlannedNode } from '../../../workers/plan/machine.ts';

/** `count` nodes of 144 GB, 800 GB/s and 54 TFLOPS, each with a host of its own unless `host` names one for all. */
export function plannedNodes(count: number, changes: Partial<PlannedNode> = {}): readonly PlannedNode[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `n${index}`,
    host: `n${index}`,
    memoryBytes: 144e9,
    maxExperts: null,
    bytesPerSecond: 800e9,
    flops: 54e12,
    hostBytesPerSecond: 800e9,
    hostFlops: 54e12,
    dollars: 6_599,
    watts: 295,
    ...changes,
  }));
}
