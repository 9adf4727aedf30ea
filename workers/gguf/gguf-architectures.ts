// What llama.cpp calls the families that are written as GGUF: names of tensors, and the entries that say a model's numbers. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Attention, Mlp, Norm } from '../../native/model-description.ts';
import { isPacked, type PlainFormat, type WeightFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import { blockOf } from '../model/section-shapes.ts';
import type { StoredModel } from '../model/stored-model.ts';
import type { GgufValue } from './gguf-header.ts';

export interface GgufArchitecture {
  /** `general.architecture`; what entries begin with. */
  readonly name: string;
  /** `tokenizer.ggml.pre`: how text is split before BPE. */
  readonly pretokenizer: string;
  /** Tensors that a section's sources go to, in their order. `*` is the layer. */
  readonly tensors: Readonly<Partial<Record<WeightRole, readonly string[]>>>;
  /** Entries without the name. Throws DomainError `bad_config` for what llama.cpp would compute otherwise. */
  entries(block: GgufBlock): readonly (readonly [string, GgufValue])[];
}

/** The one kind of block of a model. */
interface GgufBlock {
  readonly norm: Norm;
  readonly attention: Attention;
  readonly mlp: Extract<Mlp, { kind: 'moe' }>;
}

/** Throws DomainError `bad_config` for a format of quantised weights: only plain numbers are exported. */
export function plainFormat(format: WeightFormat): PlainFormat {
  if (!isPacked(format)) return format;
  throw new DomainError(
    'bad_config',
    `weights of format ${format} cannot be written as GGUF: expected bf16, f16 or f32`,
  );
}

const EXPERT_TENSORS: GgufArchitecture['tensors'] = {
  embedding: ['token_embd.weight'],
  attentionNorm: ['blk.*.attn_norm.weight'],
  attentionOutput: ['blk.*.attn_output.weight'],
  router: ['blk.*.ffn_gate_inp.weight'],
  finalNorm: ['output_norm.weight'],
  lmHead: ['output.weight'],
  gateUp: ['blk.*.ffn_gate_exps.weight', 'blk.*.ffn_up_exps.weight'],
  down: ['blk.*.ffn_down_exps.weight'],
};

const ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
  dbrx: {
    name: 'dbrx',
    pretokenizer: 'dbrx',
    tensors: {
      ...EXPERT_TENSORS,
      query: ['blk.*.attn_qkv.weight'],
      key: ['blk.*.attn_qkv.weight'],
      value: ['blk.*.attn_qkv.weight'],
      mlpNorm: ['blk.*.attn_output_norm.weight'],
    },
    entries: ({ norm, attention, mlp }) => [
      ['feed_forward_length', u32(mlp.expert.width)],
      ['attention.layer_norm_epsilon', f32(norm.epsilon)],
      // 0 is llama.cpp's "not clipped".
      ['attention.clamp_kqv', f32(attention.clip ?? 0)],
    ],
  },
  qwen3_moe: {
    name: 'qwen3moe',
    pretokenizer: 'qwen2',
    tensors: {
      ...EXPERT_TENSORS,
      query: ['blk.*.attn_q.weight'],
      key: ['blk.*.attn_k.weight'],
      value: ['blk.*.attn_v.weight'],
      queryNorm: ['blk.*.attn_q_norm.weight'],
      keyNorm: ['blk.*.attn_k_norm.weight'],
      mlpNorm: ['blk.*.ffn_norm.weight'],
    },
    entries({ norm, attention, mlp }) {
      refuseUnless(mlp.router.normalization !== null, 'whose router does not normalize ("norm_topk_prob": false)');
      refuseUnless(!attention.queryKeyValueBias, 'with biases of attention ("attention_bias": true)');
      refuseUnless(attention.window === null, 'with a window ("use_sliding_window": true)');
      return [
        ['feed_forward_length', u32(mlp.expert.width)],
        ['expert_feed_forward_length', u32(mlp.expert.width)],
        ['attention.key_length', u32(attention.headDim)],
        ['attention.value_length', u32(attention.headDim)],
        ['attention.layer_norm_rms_epsilon', f32(norm.epsilon)],
      ];
    },
  },
};

/** The architecture of a model's family. Throws DomainError `bad_config` for a family that has no mapping here. */
export function ggufArchitecture({ family }: StoredModel): GgufArchitecture {
  const architecture = Object.hasOwn(ARCHITECTURES, family) ? ARCHITECTURES[family] : undefined;
  if (architecture !== undefined) return architecture;
  const written = Object.keys(ARCHITECTURES).join(' and ');
  throw new DomainError('bad_config', `Only ${written} models can be exported to GGUF, but this one is ${family}`);
}

/** The entries that say a model's numbers. Throws DomainError `bad_config` for what llama.cpp would compute otherwise. */
export function architectureEntries(model: StoredModel): readonly (readonly [string, GgufValue])[] {
  const { name, entries } = ggufArchitecture(model);
  const { attention, mlp, attentionNorm: norm } = blockOf(model, 0);
  refuseUnless(model.blocks.length === 1 && mlp.kind === 'moe', 'whose layers are of several kinds');
  refuseUnless(attention.rotary?.table.kind === 'default', 'with another rotary table than the default one');
  if (mlp.kind !== 'moe' || attention.rotary === null) throw new TypeError('was refused before');
  const { experts, topK } = mlp.router;
  const all = [
    ['block_count', u32(model.blockOfLayer.length)],
    ['context_length', u32(model.maxContext)],
    ['embedding_length', u32(model.dModel)],
    ['attention.head_count', u32(attention.heads)],
    ['attention.head_count_kv', u32(attention.kvHeads)],
    ['rope.freq_base', f32(attention.rotary.table.theta)],
    ['expert_count', u32(experts)],
    ['expert_used_count', u32(topK)],
    ...entries({ norm, attention, mlp }),
  ] as const;
  return all.map(([key, value]) => [`${name}.${key}`, value] as const);
}

function refuseUnless(written: boolean, what: string): void {
  if (!written) throw new DomainError('bad_config', `GGUF export does not support models ${what}.`);
}

function u32(value: number): GgufValue {
  return { type: 'u32', value };
}

function f32(value: number): GgufValue {
  return { type: 'f32', value };
}
