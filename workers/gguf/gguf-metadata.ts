// What a GGUF file says about a model beside its tensors. In: a description and a byte-level BPE tokenizer.json. Out: the
// entries llama.cpp needs for the architecture `dbrx`. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { blockOf } from '../model/section-shapes.ts';
import { mainFormat, type StoredModel } from '../model/stored-model.ts';
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

/** Throws DomainError `bad_config` for a family that has no mapping here. */
export function ggufMetadata(
  model: StoredModel,
  tokenizer: BpeTokenizer,
  eosTokenId: number,
): ReadonlyMap<string, GgufValue> {
  if (model.family !== 'dbrx') {
    throw new DomainError('bad_config', `Only dbrx models can be exported to GGUF, but this one is ${model.family}`);
  }
  return new Map([...architecture(model), ...tokenizerEntries(model.vocab, tokenizer, eosTokenId)]);
}

function architecture(model: StoredModel): [string, GgufValue][] {
  const { attention, mlp, attentionNorm } = blockOf(model, 0);
  if (mlp.kind !== 'moe' || attention.rotary === null) throw new TypeError('a dbrx model has experts and rotates');
  const { router, expert } = mlp;
  return [
    ['general.architecture', { type: 'string', value: 'dbrx' }],
    ['general.file_type', u32(FILE_TYPES[mainFormat(model)])],
    ['dbrx.block_count', u32(model.blockOfLayer.length)],
    ['dbrx.context_length', u32(model.maxContext)],
    ['dbrx.embedding_length', u32(model.dModel)],
    ['dbrx.feed_forward_length', u32(expert.width)],
    ['dbrx.attention.head_count', u32(attention.heads)],
    ['dbrx.attention.head_count_kv', u32(attention.kvHeads)],
    ['dbrx.attention.layer_norm_epsilon', f32(attentionNorm.epsilon)],
    // 0 is llama.cpp's "not clipped".
    ['dbrx.attention.clamp_kqv', f32(attention.clip ?? 0)],
    ['dbrx.rope.freq_base', f32(attention.rotary.table.theta)],
    ['dbrx.expert_count', u32(router.experts)],
    ['dbrx.expert_used_count', u32(router.topK)],
  ];
}

function tokenizerEntries(vocab: number, tokenizer: BpeTokenizer, eosTokenId: number): [string, GgufValue][] {
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
    ['tokenizer.ggml.pre', { type: 'string', value: 'dbrx' }],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: types }],
    ['tokenizer.ggml.merges', { type: 'strings', value: merges }],
    ['tokenizer.ggml.eos_token_id', u32(eosTokenId)],
  ];
}

function u32(value: number): GgufValue {
  return { type: 'u32', value };
}

function f32(value: number): GgufValue {
  return { type: 'f32', value };
}
