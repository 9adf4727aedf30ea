// A tokenizer without a vocabulary file: tokens 0..255 are the bytes of UTF-8, 256 ends a text. Characters beyond ASCII take
// several tokens, which is what incremental decoding is about.
import type { Tokenizer } from '../infra/tokenizer/tokenizer.ts';

export const END = 256;

export const byteTokenizer: Tokenizer = {
  vocabSize: 257,
  addedTokens: [{ id: END, text: '<end>', special: true }],
  eosIds: [END],
  encode: async (text) => bytesOf(text),
  decode: (ids) => Buffer.from(ids.filter((id) => id !== END)).toString('utf8'),
  tokenBytes: (id) => Uint8Array.of(id),
  isSilent: (id) => id === END,
};

/** The tokens of a text. */
export function bytesOf(text: string): number[] {
  return [...Buffer.from(text, 'utf8')];
}
