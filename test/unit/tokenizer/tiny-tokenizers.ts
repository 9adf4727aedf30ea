// Small tokenizer.json files of the two kinds in use, for tests: byte-level BPE as GPT and Qwen have it, and BPE over
// characters with byte fallback as Llama has it. Merges are made from words, so some tokens hold half a character.
import type { TokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';

/** Files of a model with nothing but a tokenizer.json. */
export function filesOf(tokenizerJson: string | null, more: Partial<TokenizerFiles> = {}): TokenizerFiles {
  return {
    family: 'test',
    tokenizerJson,
    tokenizerConfigJson: null,
    specialTokensMapJson: null,
    generationConfigJson: null,
    chatTemplate: null,
    ...more,
  };
}

interface TestToken {
  readonly content: string;
  readonly special: boolean;
}

export const CHAT_TOKENS: readonly TestToken[] = [
  { content: '<|im_start|>', special: true },
  { content: '<|im_end|>', special: true },
  { content: '<|turn|>', special: false },
  { content: '<think>', special: false },
  { content: '</think>', special: false },
  { content: '\n\n', special: false },
];

const WORDS = [
  'hello',
  ' hello',
  ' world',
  'user',
  ' the',
  'end',
  'ing',
  ' a',
  'grüße',
  '你好',
  '😀',
  '👍🏽',
  '!!',
  'im_',
];

/** A byte-level BPE tokenizer with `CHAT_TOKENS` added. */
export function byteLevelJson(added: readonly TestToken[] = CHAT_TOKENS): string {
  const alphabet = byteCharacters();
  const spell = (word: string) => [...Buffer.from(word, 'utf8')].map((byte) => alphabet[byte] ?? '');
  const { names, merges } = mergeWords(alphabet, WORDS.map(spell));
  return JSON.stringify({
    version: '1.0',
    added_tokens: addedTokens(added, names.length),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpe(names, merges, {}),
  });
}

/** A Llama-style tokenizer: spaces become U+2581, unknown characters become bytes, a raw prompt starts with <s>. */
export function llamaJson(): string {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const letters = [...'▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?<>|/_\n'];
  const words = ['▁hello', '▁world', '▁user', '▁the', 'ing', '▁a', 'im_', 'end'].map((word) => [...word]);
  const { names, merges } = mergeWords(['<unk>', '<s>', '</s>', ...bytes, ...letters], words);
  const special = ['<unk>', '<s>', '</s>'].map((content, id) => addedToken({ content, special: true }, id));
  const replace = (from: string, content: string) => ({ type: 'Replace', pattern: { String: from }, content });
  return JSON.stringify({
    version: '1.0',
    added_tokens: special,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace(' ', '▁')] },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        replace('▁', ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: bpe(names, merges, { unk_token: '<unk>', fuse_unk: true, byte_fallback: true }),
  });
}

/** GPT-2's characters for the 256 bytes. */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(printable ? byte : next++);
  });
}

/** Builds every word from the left, one merge per character. */
function mergeWords(alphabet: readonly string[], words: readonly (readonly string[])[]) {
  const merges = new Map<string, [string, string]>();
  for (const word of words) {
    for (let end = 1; end < word.length; end += 1) {
      const left = word.slice(0, end).join('');
      merges.set(left + word[end], [left, word[end] ?? '']);
    }
  }
  return { names: [...new Set([...alphabet, ...merges.keys()])], merges: [...merges.values()] };
}

function bpe(names: readonly string[], merges: readonly [string, string][], options: object): object {
  const vocab = Object.fromEntries(names.map((name, id) => [name, id]));
  return {
    type: 'BPE',
    dropout: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    vocab,
    merges,
    ...options,
  };
}

function addedTokens(tokens: readonly TestToken[], firstId: number): object[] {
  return tokens.map((token, at) => addedToken(token, firstId + at));
}

function addedToken(token: TestToken, id: number): object {
  return { id, ...token, single_word: false, lstrip: false, rstrip: false, normalized: false };
}
