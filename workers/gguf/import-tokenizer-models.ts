// The two kinds of tokenizers in GGUF files, as parts of tokenizer.json: byte-level BPE, and SentencePiece's BPE. Pure.
import { bpeModel } from '../model/bpe-model.ts';

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const words = (numbers: string): string => `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}${REST}`;
const [UPPER, LOWER] = ['[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]', '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'];
const O200K =
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${CONTRACTIONS}?|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${CONTRACTIONS}?` +
  '|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const split = (pattern: string): object => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});
const DIGITS = { type: 'Digits', individual_digits: true };
const byteLevel = (useRegex: boolean): object => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const sequence = (...pretokenizers: object[]): object => ({ type: 'Sequence', pretokenizers });

/** By `tokenizer.ggml.pre`. */
const PRETOKENIZERS: Readonly<Record<string, object>> = {
  'llama-bpe': sequence(split(words('\\p{N}{1,3}')), byteLevel(false)),
  dbrx: sequence(split(words('\\p{N}{1,3}')), byteLevel(false)),
  qwen2: sequence(split(words('\\p{N}')), byteLevel(false)),
  'gpt-4o': sequence(split(O200K), byteLevel(false)),
  smollm: sequence(DIGITS, byteLevel(true)),
  refact: sequence(DIGITS, byteLevel(true)),
  'gpt-2': byteLevel(true),
  olmo: byteLevel(true),
};

/** null for a way to split text that is not known. */
export function bytePairParts(before: string, tokens: readonly string[], merges: readonly string[]): object | null {
  const preTokenizer = Object.hasOwn(PRETOKENIZERS, before) ? PRETOKENIZERS[before] : undefined;
  if (preTokenizer === undefined) return null;
  return {
    normalizer: before === 'qwen2' ? { type: 'NFC' } : null,
    pre_tokenizer: preTokenizer,
    decoder: byteLevel(true),
    model: bpeModel(
      tokens,
      merges.map((merge) => merge.split(' ')),
      { ignore_merges: before === 'llama-bpe' },
    ),
  };
}

/** SentencePiece merges the pair whose whole has the best score; that is BPE with the wholes in the order of their scores. */
export function sentencePieceParts(
  tokens: readonly string[],
  scores: readonly number[],
  unknown: string | null,
  prefix: boolean,
): object {
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  return {
    normalizer: { type: 'Sequence', normalizers: [...(prefix ? [{ type: 'Prepend', prepend: '▁' }] : []), replace] },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: bpeModel(tokens, mergesByScore(tokens, scores), { unk_token: unknown, fuse_unk: true, byte_fallback: true }),
  };
}

function mergesByScore(tokens: readonly string[], scores: readonly number[]): string[][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges = tokens.flatMap((token, id) => {
    const characters = [...token];
    return characters.slice(1).flatMap((_, index) => {
      const [left, right] = [characters.slice(0, index + 1).join(''), characters.slice(index + 1).join('')];
      const [first, second] = [ids.get(left), ids.get(right)];
      return first === undefined || second === undefined ? [] : [{ id, left, right, first, second }];
    });
  });
  const score = (id: number): number => scores[id] ?? 0;
  merges.sort((a, b) => score(b.id) - score(a.id) || a.id - b.id || a.first - b.first || a.second - b.second);
  return merges.map(({ left, right }) => [left, right]);
}
