// Vocabularies of real tokens, of any size, from the ranks that tiktoken ships: the first are the most frequent.
import { createRequire } from 'node:module';
import type { VocabularyTokens } from '../native/token-constraint.ts';

export type TestVocabulary = VocabularyTokens & { readonly end: number };

/** The first `size - 1` tokens of an encoding, and one that ends an answer. */
export function tiktokenVocabulary(encoding: 'cl100k_base' | 'o200k_base', size: number): TestVocabulary {
  const { bpe_ranks: lines } = createRequire(import.meta.url)(`tiktoken/encoders/${encoding}.json`) as {
    bpe_ranks: string;
  };
  const bytes: Uint8Array[] = [];
  for (const line of lines.split('\n')) {
    const [, first, ...tokens] = line.split(' ');
    for (const [at, token] of tokens.entries()) {
      if (Number(first) + at < size - 1) bytes[Number(first) + at] = Buffer.from(token, 'base64');
    }
  }
  bytes[size - 1] = Buffer.from('<|end|>');
  const end = size - 1;
  return {
    vocab: size,
    bytes: Array.from(bytes, (token) => token ?? new Uint8Array(0)),
    end,
    isControl: (id) => id === end,
  };
}
