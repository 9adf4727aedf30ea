// What a GGUF file says about a model beside its tensors. In: a model and a byte-level BPE tokenizer.json. Out: the entries that
// llama.cpp needs. Pure.
import { mainFormat, type StoredModel } from '../model/stored-model.ts';
import { architectureEntries, ggufArchitecture, plainFormat } from './gguf-architectures.ts';
import type { GgufValue } from './gguf-header.ts';

const FILE_TYPES = { f32: 0, f16: 1, bf16: 32 } as const;
const NORMAL_TOKEN = 1;
const CONTROL_TOKEN = 3;

/** The parts of tokenizer.json that are read. */
export interface BpeTokenizer {
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (string | readonly string[])[];
  readonly addedTokens: readonly { readonly id: number; readonly content: string }[];
}

/** Throws DomainError `bad_config` for a model that cannot be written as GGUF. */
export function ggufMetadata(
  model: StoredModel,
  tokenizer: BpeTokenizer,
  eosTokenId: number,
): ReadonlyMap<string, GgufValue> {
  const { name, pretokenizer } = ggufArchitecture(model);
  return new Map([
    ['general.architecture', { type: 'string', value: name }],
    ['general.file_type', u32(FILE_TYPES[plainFormat(mainFormat(model))])],
    ...architectureEntries(model),
    ...tokenizerEntries(model.vocab, tokenizer, pretokenizer, eosTokenId),
  ]);
}

function tokenizerEntries(
  vocab: number,
  tokenizer: BpeTokenizer,
  pretokenizer: string,
  eosTokenId: number,
): [string, GgufValue][] {
  const tokens = Array.from({ length: vocab }, (_, id) => `[unused${id}]`);
  for (const [token, id] of Object.entries(tokenizer.vocab)) tokens[id] = token;
  const types = tokens.map(() => NORMAL_TOKEN);
  for (const { id, content } of tokenizer.addedTokens) {
    tokens[id] = content;
    types[id] = CONTROL_TOKEN;
  }
  const merges = tokenizer.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  return [
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: pretokenizer }],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: types }],
    ['tokenizer.ggml.merges', { type: 'strings', value: merges }],
    ['tokenizer.ggml.eos_token_id', u32(eosTokenId)],
  ];
}

function u32(value: number): GgufValue {
  return { type: 'u32', value };
}
