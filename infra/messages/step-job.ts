// A step as it stands in a group's step log: the rows that every member computes. In: typed arrays. Out: one binary entry,
// little-endian, 4-byte aligned. Which blocks and rows are right is the scheduler's business; sizes are checked here.
//
//   0  magic "CVSJ"      16  block tables' width
//   4  version           20  rows whose logits are wanted
//   8  rows              24  tokens [rows], positions [rows], sequences [rows],
//  12  sequences             block tables [sequences, width], logit rows
import { DomainError } from '../errors/domain-error.ts';

/** See StepBatch of the native session, whose shape this is. */
export interface StepJob {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly sequences: Int32Array;
  /** [sequences, blockTableWidth] */
  readonly blockTables: Int32Array;
  readonly blockTableWidth: number;
  readonly logitRows: Int32Array;
}

const MAGIC = 0x4a535643;
const VERSION = 1;
const HEADER_WORDS = 6;

export function encodeStepJob(job: StepJob): Buffer {
  const { tokens, positions, sequences, blockTables, blockTableWidth, logitRows } = job;
  const rows = tokens.length;
  const words = new Int32Array(HEADER_WORDS + 3 * rows + blockTables.length + logitRows.length);
  words.set([MAGIC, VERSION, rows, blockTables.length / blockTableWidth, blockTableWidth, logitRows.length]);
  let at = HEADER_WORDS;
  for (const part of [tokens, positions, sequences, blockTables, logitRows]) {
    words.set(part, at);
    at += part.length;
  }
  return Buffer.from(words.buffer);
}

/** Throws DomainError `internal` for what encodeStepJob did not write. */
export function decodeStepJob(bytes: Uint8Array): StepJob {
  // A copy, because an entry lies at any address.
  const words = new Int32Array(new Uint8Array(bytes).buffer, 0, bytes.byteLength >>> 2);
  const [magic, version, rows = 0, sequences = 0, width = 0, logits = 0] = words;
  if (magic !== MAGIC || version !== VERSION) throw badJob('has an unknown magic number or version');
  const expected = HEADER_WORDS + 3 * rows + sequences * width + logits;
  if (Math.min(rows, sequences, width, logits) < 0 || bytes.byteLength !== expected * 4) {
    throw badJob(`has ${bytes.byteLength} bytes instead of ${expected * 4}`);
  }
  let at = HEADER_WORDS;
  const take = (length: number): Int32Array => {
    at += length;
    return words.subarray(at - length, at);
  };
  return {
    tokens: take(rows),
    positions: take(rows),
    sequences: take(rows),
    blockTables: take(sequences * width),
    blockTableWidth: width,
    logitRows: take(logits),
  };
}

function badJob(what: string): DomainError {
  return new DomainError('internal', `An entry of the step log ${what}.`);
}
