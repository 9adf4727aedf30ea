// What one sequence contributes to a step.
import type { Sequence } from './sequence.ts';

export interface StepRows {
  readonly sequence: Sequence;
  /** Position of the first row. */
  readonly from: number;
  /** Rows of known tokens. */
  readonly count: number;
  /** Tokens guessed to follow them: a row each, whose KV counts only where the guess turns out right. */
  readonly draft: readonly number[];
}

/** All rows of a step. */
export function countRows(step: readonly StepRows[]): number {
  return step.reduce((sum, { count, draft }) => sum + count + draft.length, 0);
}

/** Of these, the ones for guessed tokens. */
export function countDraftRows(step: readonly StepRows[]): number {
  return step.reduce((sum, { draft }) => sum + draft.length, 0);
}
