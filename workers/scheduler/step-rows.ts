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

/** Of a sequence's rows, the number whose logits are wanted for log-probabilities of its prompt: the last ones before its end. */
export function countPromptLogits({ sequence, from, count }: StepRows): number {
  const first = Math.max(from, sequence.promptLogitsFrom);
  return Math.max(0, Math.min(from + count, sequence.promptTokens - 1) - first);
}

/** All rows of a step. */
export function countRows(step: readonly StepRows[]): number {
  return step.reduce((sum, { count, draft }) => sum + count + draft.length, 0);
}

/** Of these, the ones for guessed tokens. */
export function countDraftRows(step: readonly StepRows[]): number {
  return step.reduce((sum, { draft }) => sum + draft.length, 0);
}
