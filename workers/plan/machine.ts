// What the planner knows of machines, links and software: numbers, none of them ours to change. Units are SI: bytes,
// seconds, dollars, watts.

/** One node of a group: a process with its own threads. */
export interface PlannedNode {
  readonly name: string;
  /** Nodes with the same host share its memory bandwidth and its arithmetic. */
  readonly host: string;
  /** Memory that Conclave may use. */
  readonly memoryBytes: number;
  /** Experts it holds at most, whatever its memory; null: as many as fit. */
  readonly maxExperts: number | null;
  /** Memory bandwidth of this node's threads when no other node reads. */
  readonly bytesPerSecond: number;
  readonly flops: number;
  /** What all nodes of the host read together; without other nodes on it: bytesPerSecond. */
  readonly hostBytesPerSecond: number;
  readonly hostFlops: number;
  readonly dollars: number;
  readonly watts: number;
}

export interface Link {
  readonly name: string;
  /** One exchange between two nodes: everything but the bytes. */
  readonly latencySeconds: number;
  /** What each node beyond the second adds to it. */
  readonly perNodeSeconds: number;
  /** Of one node's port. */
  readonly bytesPerSecond: number;
  /** Time of a step of several nodes in addition to its layers, for announcing the step to all members. */
  readonly stepSeconds: number;
}

/** Time that no roofline explains: calls, scheduling, sampling. */
export interface SoftwareCost {
  readonly layerSeconds: number;
  readonly stepSeconds: number;
  /**
   * True: arithmetic hides behind reading weights (a roofline), as in our kernels. False: they add up, the form of the
   * paper's model.
   */
  readonly computeHidden: boolean;
}
