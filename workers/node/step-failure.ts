// Why a group could not run a step. In: observations of the exchange. Out: the nodes to exclude from the group. Nothing of a failed step
// counts: after a change of plan the same batch is stepped again.

export type StepFailureReason =
  /** A node sent nothing in time. */
  | 'deadline'
  /** The exchange Redis does not answer. */
  | 'exchange'
  /** Nodes routed the same rows differently. */
  | 'routing'
  /** An expert has no living holder. */
  | 'no_holder'
  /** A node says that it cannot compute its part. */
  | 'member';

export class StepFailure extends Error {
  readonly reason: StepFailureReason;
  /** Ids of nodes to exclude from the group; empty if the failure cannot be attributed. */
  readonly lost: readonly string[];

  constructor(reason: StepFailureReason, message: string, lost: readonly string[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StepFailure';
    this.reason = reason;
    this.lost = lost;
  }
}
