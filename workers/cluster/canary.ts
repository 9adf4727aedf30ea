// Checks a group's results. In: an executor. Out: the logits of a fixed prompt, for comparison with those of a single node on
// the same checkpoint. The bits are the same on any number of nodes of one numerics class: a digest suffices.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepBatch } from '../../native/model-session.ts';
import { writeFileAtomically } from '../pack/write-file-atomically.ts';
import type { StepExecutor } from '../step/run-step.ts';

/** KV blocks that the canary needs beside those of sequences. */
export const CANARY_BLOCKS = 2;

/** Rows of the steps, where a node can take as many: long ones go by owners of rows, short ones from all to all. */
const CHUNKS = [44, 40, 15, 1];
/** Positions whose logits count: the same ones whatever the chunks are. */
const COUNTED: ReadonlySet<number> = new Set([0, 43, 83, 98, 99]);
const TOKENS = 100;

export interface CanaryOptions {
  readonly executor: StepExecutor;
  /** The first of CANARY_BLOCKS KV blocks that no sequence uses. */
  readonly firstBlock: number;
  readonly maxRows: number;
  readonly maxContext: number;
}

/** The logits of the counted positions, one after the other. Rejects as the executor's steps do. */
export async function canaryLogits({
  executor,
  firstBlock,
  maxRows,
  maxContext,
}: CanaryOptions): Promise<Float32Array> {
  const length = Math.min(TOKENS, maxContext);
  const counted = [...COUNTED].filter((position) => position < length).length;
  const all = new Float32Array(counted * executor.vocab);
  for (let from = 0, chunk = 0, row = 0; from < length; chunk += 1) {
    const count = Math.min(CHUNKS[chunk] ?? 1, maxRows, length - from);
    const batch = canaryBatch(from, count, executor.vocab, firstBlock);
    const end = row + batch.logitRows.length;
    await executor.step(batch, all.subarray(row * executor.vocab, end * executor.vocab));
    row = end;
    from += count;
  }
  return all;
}

/** SHA-256 of the logits. */
export function digestOf(logits: Float32Array): string {
  return createHash('sha256').update(new Uint8Array(logits.buffer)).digest('hex');
}

/** Root mean square of the distance between two models' logits, relative to that of the `expected` ones. */
export function relativeDistance(logits: Float32Array, expected: Float32Array): number {
  let distance = 0;
  let size = 0;
  for (const [at, value] of expected.entries()) {
    distance += ((logits[at] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(distance / size);
}

function canaryBatch(from: number, count: number, vocab: number, firstBlock: number): StepBatch {
  const rows = Array.from({ length: count }, (_, row) => row);
  return {
    tokens: Int32Array.from(rows, (row) => tokenAt(from + row, vocab)),
    positions: Int32Array.from(rows, (row) => from + row),
    sequences: new Int32Array(count),
    blockTables: Int32Array.from({ length: CANARY_BLOCKS }, (_, block) => firstBlock + block),
    blockTableWidth: CANARY_BLOCKS,
    logitRows: Int32Array.from(rows.filter((row) => COUNTED.has(from + row))),
  };
}

/** Any fixed sequence that visits much of the vocabulary. */
function tokenAt(position: number, vocab: number): number {
  return (position * 7919 + 17) % vocab;
}

/** The digest stored beside the packs in `folder`; null when there is none. */
export async function readCanary(folder: string, numericsClass: string): Promise<string | null> {
  return readFile(canaryPath(folder, numericsClass), 'utf8').then(
    (text) => text.trim(),
    // None was stored yet: the first run of a single node does.
    () => null,
  );
}

/** Stores the digest that a single node gave. */
export async function writeCanary(folder: string, numericsClass: string, digest: string): Promise<void> {
  await writeFileAtomically(canaryPath(folder, numericsClass), (file) => file.writeFile(`${digest}\n`));
}

function canaryPath(folder: string, numericsClass: string): string {
  return join(folder, `canary-${numericsClass}.sha256`);
}
