// An engine of a few lines with a KV cache of tokens: logits depend on every token before, read back through the block
// table. What lies in a wrong slot, or is left there by a wrong guess, changes the answer.
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { byteTokenizer } from '../../byte-tokenizer.ts';
import { logitsEngine } from '../../sample-logits.ts';

/** Tokens that it answers with. Few, so that answers repeat themselves. */
const ALPHABET = [...Buffer.from('abcdef')];
const UNLIKELY = -30;

/** An engine that has forgotten everything. `blockTokens`: positions per KV block. */
export function kvTrackingEngine(blockTokens: number): StepExecutor {
  const slots = new Map<number, number>();
  const { vocabSize: vocab } = byteTokenizer;
  return logitsEngine(vocab, ({ tokens, positions, sequences, blockTables, blockTableWidth, logitRows }, logits) => {
    const slotOf = (row: number, position: number): number => {
      const at = (sequences[row] ?? 0) * blockTableWidth + Math.floor(position / blockTokens);
      return (blockTables[at] ?? -1) * blockTokens + (position % blockTokens);
    };
    for (const [row, position] of positions.entries()) slots.set(slotOf(row, position), tokens[row] ?? 0);
    for (const [index, row] of logitRows.entries()) {
      const length = (positions[row] ?? 0) + 1;
      const before = Array.from({ length }, (_, position) => slots.get(slotOf(row, position)) ?? -1);
      logits.set(logitsAfter(before, vocab), index * vocab);
    }
  });
}

/** Mostly what the last two tokens say, and a little of what all of them do. */
function logitsAfter(tokens: readonly number[], vocab: number): Float32Array {
  const logits = new Float32Array(vocab).fill(UNLIKELY);
  const [all, last] = [mix(tokens), mix(tokens.slice(-2))];
  for (const id of ALPHABET) logits[id] = 6 * fraction(mix([last, id])) + fraction(mix([all, id]));
  return logits;
}

function mix(values: readonly number[]): number {
  return values.reduce((hash, value) => {
    const mixed = Math.imul(hash ^ value, 0x9e3779b1);
    return mixed ^ (mixed >>> 15);
  }, 17);
}

function fraction(hash: number): number {
  return (Math.imul(hash, 0x85ebca6b) >>> 0) / 2 ** 32;
}
