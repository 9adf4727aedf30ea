// Rows of the plan -> the typed arrays that the native session takes. Pure.
import type { StepBatch } from '../../native/model-session.ts';
import { countPromptLogits, countRows, type StepRows } from '../scheduler/step-rows.ts';

/** True when the step computes the sequence's last known token: its logits give the next one. */
export function yieldsToken({ sequence, from, count }: StepRows): boolean {
  return from + count === sequence.tokens.length;
}

/** Rows of logits for a sequence's rows. */
function countLogits(rows: StepRows): number {
  return countPromptLogits(rows) + (yieldsToken(rows) ? 1 + rows.draft.length : 0);
}

function yieldsLogits(rows: StepRows, at: number): boolean {
  const { sequence, from, count } = rows;
  if (yieldsToken(rows) && at >= count - 1) return true;
  const position = from + at;
  return position >= sequence.promptLogitsFrom && position < sequence.promptTokens - 1;
}

/**
 * One block table per sequence of the step. Logits are asked for in the order of the sequences: of the prompt's positions where
 * they are wanted, then, if the sequence yields a token, of the last known token and of the guessed ones.
 */
export function buildStepBatch(step: readonly StepRows[]): StepBatch {
  const rows = countRows(step);
  const width = Math.max(...step.map(({ sequence }) => sequence.blocks.length));
  const batch = {
    tokens: new Int32Array(rows),
    positions: new Int32Array(rows),
    sequences: new Int32Array(rows),
    blockTables: new Int32Array(step.length * width).fill(-1),
    blockTableWidth: width,
    logitRows: new Int32Array(step.reduce((sum, rowsOfOne) => sum + countLogits(rowsOfOne), 0)),
  };
  let row = 0;
  let logitRow = 0;
  for (const [index, rowsOfOne] of step.entries()) {
    const { sequence, from, count, draft } = rowsOfOne;
    batch.blockTables.set(sequence.blocks, index * width);
    batch.sequences.fill(index, row, row + count + draft.length);
    for (let at = 0; at < count + draft.length; at += 1, row += 1) {
      batch.tokens[row] = (at < count ? sequence.tokens[from + at] : draft[at - count]) ?? 0;
      batch.positions[row] = from + at;
      if (yieldsLogits(rowsOfOne, at)) batch.logitRows[logitRow++] = row;
    }
  }
  return batch;
}
