// A GGUF file's tokenizer as tokenizer.json and tokenizer_config.json. In: its entries. Out: objects. Pure. Throws DomainError
// `bad_checkpoint` for one that is not known, since text would be split otherwise.
import type { GgufEntries } from './gguf-entries.ts';
import { bytePairParts, sentencePieceParts } from './import-tokenizer-models.ts';

export interface ImportedTokenizer {
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
  /** Of config.json: bos, eos. */
  readonly ids: Readonly<Record<string, number | null>>;
  /** Of generation_config.json. */
  readonly endTokenIds: readonly number[];
}

/** Types of tokens as GGUF numbers them. */
const CONTROL = 3;
const USER_DEFINED = 4;
const UNKNOWN = 2;

const TOKENS = 'tokenizer.ggml.tokens';

export function importTokenizer(entries: GgufEntries): ImportedTokenizer {
  const tokens = entries.strings(TOKENS);
  const types = entries.numbers('tokenizer.ggml.token_type') ?? [];
  const kind = entries.text('tokenizer.ggml.model');
  const bos = entries.plainNumber('tokenizer.ggml.bos_token_id');
  const eos = entries.plainNumber('tokenizer.ggml.eos_token_id');
  const ends = [eos, entries.plainNumber('tokenizer.ggml.eot_token_id')].filter((id) => id !== undefined);
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(tokens, types),
      ...partsOf(entries, kind, tokens, types),
      post_processor: beginning(tokens, addsBos(entries, kind) ? bos : undefined),
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      bos_token: tokenOf(tokens, bos),
      eos_token: tokenOf(tokens, eos),
      chat_template: entries.optionalText('tokenizer.chat_template') ?? null,
    },
    ids: { bos_token_id: bos ?? null, eos_token_id: eos ?? null },
    endTokenIds: [...new Set(ends)],
  };
}

function partsOf(entries: GgufEntries, kind: string, tokens: readonly string[], types: readonly number[]) {
  if (kind === 'gpt2') {
    const before = entries.optionalText('tokenizer.ggml.pre') ?? 'default';
    const parts = bytePairParts(before, tokens, entries.strings('tokenizer.ggml.merges'));
    if (parts !== null) return parts;
    throw entries.refusal(
      'tokenizer.ggml.pre',
      before,
      'a known way to split text: take the model with its tokenizer.json',
    );
  }
  if (kind === 'llama') {
    const scores = entries.numbers('tokenizer.ggml.scores') ?? [];
    const unknown = types.indexOf(UNKNOWN);
    const prefix = entries.flag('tokenizer.ggml.add_space_prefix') ?? true;
    return sentencePieceParts(tokens, scores, unknown < 0 ? null : (tokens[unknown] ?? null), prefix);
  }
  throw entries.refusal('tokenizer.ggml.model', kind, '"gpt2" or "llama"');
}

/** Where the file does not say: SentencePiece and Llama 3 begin with it. */
function addsBos(entries: GgufEntries, kind: string): boolean {
  const usual = kind === 'llama' || entries.optionalText('tokenizer.ggml.pre') === 'llama-bpe';
  return entries.flag('tokenizer.ggml.add_bos_token') ?? usual;
}

function addedTokens(tokens: readonly string[], types: readonly number[]): object[] {
  return tokens.flatMap((content, id) => {
    const type = types[id];
    if (type !== CONTROL && type !== USER_DEFINED && type !== UNKNOWN) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id, content, ...flags, special: type !== USER_DEFINED }];
  });
}

function beginning(tokens: readonly string[], bos: number | undefined): object | null {
  const content = tokenOf(tokens, bos);
  if (content === null) return null;
  const special = { SpecialToken: { id: content, type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [special, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [special, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [content]: { id: content, ids: [bos], tokens: [content] } },
  };
}

function tokenOf(tokens: readonly string[], id: number | undefined): string | null {
  return id === undefined ? null : (tokens[id] ?? null);
}
