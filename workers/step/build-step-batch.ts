// Rows of the plan -> the typed arrays that the native session takes. Pure.
import type { StepBatch } from '../../native/model-session.ts';
import type { StepRows } from '../scheduler/scheduler.ts';

/** True when the step computes the sequence's last known token: its logits give the next one. */
export function yieldsToken({ sequence, from, count }: StepRows): boolean {
  return from + count === sequence.tokens.length;
}

/** One block table per sequence of the step; logits are asked for in the order of the sequences that yield a token. */
export function buildStepBatch(step: readonly StepRows[]): StepBatch {
  const rows = step.reduce((sum, { count }) => sum + count, 0);
  const width = Math.max(...step.map(({ sequence }) => sequence.blocks.length));
  const batch = {
    tokens: new Int32Array(rows),
    positions: new Int32Array(rows),
    sequences: new Int32Array(rows),
    blockTables: new Int32Array(step.length * width).fill(-1),
    blockTableWidth: width,
    logitRows: new Int32Array(step.filter(yieldsToken).length),
  };
  let row = 0;
  let logitRow = 0;
  for (const [index, rowsOfOne] of step.entries()) {
    const { sequence, from, count } = rowsOfOne;
    batch.blockTables.set(sequence.blocks, index * width);
    batch.sequences.fill(index, row, row + count);
    for (let position = from; position < from + count; position += 1, row += 1) {
      batch.tokens[row] = sequence.tokens[position] ?? 0;
      batch.positions[row] = position;
    }
    if (yieldsToken(rowsOfOne)) batch.logitRows[logitRow++] = row - 1;
  }
  return batch;
}
