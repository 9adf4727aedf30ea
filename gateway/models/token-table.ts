// The bytes of all tokens in two arrays, which pass between processes without being parsed.
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import type { TokenTable } from './encoder-messages.ts';

/** The table of a tokenizer's vocabulary. */
export function tokenTable(tokenizer: Tokenizer): TokenTable {
  const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenBytes(id));
  const ends = new Uint32Array(tokens.length);
  let end = 0;
  for (const [id, token] of tokens.entries()) {
    end += token.length;
    ends[id] = end;
  }
  return { bytes: new Uint8Array(Buffer.concat(tokens)), ends };
}

/** Bytes of one token; none for an id outside the vocabulary. */
export function bytesOfToken({ bytes, ends }: TokenTable, id: number): Uint8Array {
  return bytes.subarray(ends[id - 1] ?? 0, ends[id] ?? 0);
}

/** Bytes of the longest token, at least 1. */
export function longestToken({ ends }: TokenTable): number {
  return ends.reduce((longest, end, id) => Math.max(longest, end - (ends[id - 1] ?? 0)), 1);
}
