// What a GGUF file's architecture is among the families: config.json from its entries, and where each of its tensors goes in a
// checkpoint as MLX has it. Pure. Every conversion that llama.cpp does to a model is undone here or in import-gguf.ts.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GgufEntries } from './gguf-entries.ts';
import { readRopeScaling } from './import-rope.ts';
import type { GgufFile } from './read-gguf.ts';

export interface ImportedArchitecture {
  /** Keys of config.json beside those that all have. */
  config(entries: GgufEntries, has: (tensor: string) => boolean): Readonly<Record<string, unknown>>;
  /** Below a layer, without `blk.N.` and the last part; to names below `model.layers.N.`. */
  readonly layer: Readonly<Record<string, string>>;
  /** Whether rows of queries and keys are in llama.cpp's order: neighbours rotate together. */
  readonly permuted: boolean;
}

const ATTENTION: ImportedArchitecture['layer'] = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
};
const DENSE: ImportedArchitecture['layer'] = {
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

function experts(router: string, stack: string): ImportedArchitecture['layer'] {
  return {
    ffn_gate_inp: router,
    ffn_gate_exps: `${stack}.gate_proj`,
    ffn_up_exps: `${stack}.up_proj`,
    ffn_down_exps: `${stack}.down_proj`,
  };
}

const MOE = { ...ATTENTION, ...experts('mlp.gate', 'mlp.switch_mlp') };
const hasBias = (has: (tensor: string) => boolean, name: string): boolean => has(`blk.0.${name}.bias`);

const MIXTRAL: ImportedArchitecture = {
  permuted: true,
  layer: { ...ATTENTION, ...experts('block_sparse_moe.gate', 'block_sparse_moe.switch_mlp') },
  config: (entries) => ({
    model_type: 'mixtral',
    num_local_experts: entries.number('expert_count'),
    num_experts_per_tok: entries.number('expert_used_count'),
  }),
};

const ARCHITECTURES: Readonly<Record<string, ImportedArchitecture>> = {
  llama: {
    permuted: true,
    layer: { ...ATTENTION, ...DENSE },
    config: (_, has) => ({
      model_type: 'llama',
      attention_bias: hasBias(has, 'attn_q'),
      mlp_bias: hasBias(has, 'ffn_gate'),
    }),
  },
  qwen2: { permuted: false, layer: { ...ATTENTION, ...DENSE }, config: () => ({ model_type: 'qwen2' }) },
  qwen3: {
    permuted: false,
    layer: { ...ATTENTION, ...DENSE },
    config: (_, has) => ({ model_type: 'qwen3', attention_bias: hasBias(has, 'attn_q') }),
  },
  qwen2moe: {
    permuted: false,
    layer: {
      ...MOE,
      ffn_gate_shexp: 'mlp.shared_expert.gate_proj',
      ffn_up_shexp: 'mlp.shared_expert.up_proj',
      ffn_down_shexp: 'mlp.shared_expert.down_proj',
      ffn_gate_inp_shexp: 'mlp.shared_expert_gate',
    },
    config: (entries) => ({
      model_type: 'qwen2_moe',
      num_experts: entries.number('expert_count'),
      num_experts_per_tok: entries.number('expert_used_count'),
      moe_intermediate_size: entries.number('expert_feed_forward_length'),
      shared_expert_intermediate_size: entries.number('expert_shared_feed_forward_length'),
      norm_topk_prob: false,
    }),
  },
  qwen3moe: {
    permuted: false,
    layer: MOE,
    config: (entries, has) => ({
      model_type: 'qwen3_moe',
      num_experts: entries.number('expert_count'),
      num_experts_per_tok: entries.number('expert_used_count'),
      moe_intermediate_size: entries.number('expert_feed_forward_length'),
      norm_topk_prob: true,
      attention_bias: hasBias(has, 'attn_q'),
    }),
  },
  olmoe: {
    permuted: false,
    layer: MOE,
    config: (entries) => ({
      model_type: 'olmoe',
      num_experts: entries.number('expert_count'),
      num_experts_per_tok: entries.number('expert_used_count'),
      norm_topk_prob: false,
    }),
  },
  'gpt-oss': {
    permuted: false,
    layer: {
      ...ATTENTION,
      ...experts('mlp.router', 'mlp.experts'),
      post_attention_norm: 'post_attention_layernorm',
      attn_sinks: 'self_attn.sinks',
    },
    config: (entries) => ({
      model_type: 'gpt_oss',
      num_local_experts: entries.number('expert_count'),
      num_experts_per_tok: entries.number('expert_used_count'),
      intermediate_size: entries.number('expert_feed_forward_length'),
      sliding_window: entries.number('attention.sliding_window'),
      attention_bias: true,
    }),
  },
  granitemoe: {
    permuted: true,
    layer: { ...ATTENTION, ...experts('block_sparse_moe.router.layer', 'block_sparse_moe.switch_mlp') },
    config: (entries) => ({
      model_type: 'granitemoe',
      num_local_experts: entries.number('expert_count'),
      num_experts_per_tok: entries.number('expert_used_count'),
      embedding_multiplier: entries.number('embedding_scale'),
      residual_multiplier: entries.number('residual_scale'),
      attention_multiplier: entries.number('attention.scale'),
      logits_scaling: entries.number('logit_scale'),
    }),
  },
};

/** Throws DomainError `bad_checkpoint` for one that is not imported, naming those that are. */
export function importedArchitecture(entries: GgufEntries): ImportedArchitecture {
  const { architecture, path } = entries;
  // llama.cpp has Mixtral as a Llama with experts.
  if (architecture === 'llama' && (entries.optionalNumber('expert_count') ?? 0) > 0) return MIXTRAL;
  const found = Object.hasOwn(ARCHITECTURES, architecture) ? ARCHITECTURES[architecture] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(ARCHITECTURES).join(', ');
  const message = `${path}: the architecture "${architecture}" is not imported from GGUF, only ${known}: take its safetensors`;
  throw new DomainError('bad_checkpoint', message, { param: 'general.architecture' });
}

/** config.json without what says how the weights are quantised. */
export function importedConfig(
  entries: GgufEntries,
  architecture: ImportedArchitecture,
  { tensors }: Pick<GgufFile, 'tensors'>,
  ropeFactors: Float32Array | null,
): Readonly<Record<string, unknown>> {
  const heads = entries.number('attention.head_count');
  const width = entries.number('embedding_length');
  const feedForward = entries.optionalNumber('feed_forward_length');
  return {
    hidden_size: width,
    ...(feedForward === undefined ? {} : { intermediate_size: feedForward }),
    num_hidden_layers: entries.number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: entries.optionalNumber('attention.head_count_kv') ?? heads,
    head_dim: entries.optionalNumber('attention.key_length') ?? width / heads,
    max_position_embeddings: entries.number('context_length'),
    rms_norm_eps: entries.number('attention.layer_norm_rms_epsilon'),
    rope_theta: entries.optionalNumber('rope.freq_base') ?? 10_000,
    rope_scaling: readRopeScaling(entries, ropeFactors),
    vocab_size: tensors.get('token_embd.weight')?.shape[0] ?? 0,
    tie_word_embeddings: !tensors.has('output.weight'),
    torch_dtype: 'float32',
    ...architecture.config(entries, (name) => tensors.has(name)),
  };
}

const WHOLE: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};

/** The module that a tensor belongs to, and `weight` or `bias`; null for one that the family does not have. */
export function importedName(name: string, { layer }: ImportedArchitecture): { module: string; part: string } | null {
  const match = /^(?:blk\.(\d+)\.)?([\w]+)\.(weight|bias)$/.exec(name);
  if (match === null) return null;
  const [, block, base = '', part = ''] = match;
  const known = block === undefined ? WHOLE[base] : layer[base];
  if (known === undefined) return null;
  return { module: block === undefined ? known : `model.layers.${block}.${known}`, part };
}
