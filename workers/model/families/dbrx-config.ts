// config.json of model_type "dbrx" -> its shape. In: the parsed JSON. Out: DbrxShape, or DomainError `bad_config` for
// whatever would make this engine compute something else than the reference. Pure. Defaults are those of transformers'
// DbrxConfig, which leaves out keys that have them.
import { z } from 'zod';
import { type ModelConfig, parseFamilyConfig, refuseKey } from '../read-model-config.ts';
import { harmless } from './shared/ignorable-config-keys.ts';

/** The numbers of a DBRX model, under this engine's names. */
export interface DbrxShape {
  readonly layers: number;
  readonly dModel: number;
  readonly vocab: number;
  readonly maxContext: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** dModel / heads, which it is if it is not given. */
  readonly headDim?: number | undefined;
  readonly clipQkv: number | null;
  readonly ropeTheta: number;
  readonly experts: number;
  readonly topK: number;
  readonly normalization: 'l1' | 'none';
  readonly ffn: number;
}

// transformers' default when neither the model nor its config names one.
const DEFAULT_ROPE_THETA = 10_000;

const size = z
  .number()
  .int()
  .positive()
  .max(2 ** 31);
const theta = z.number().positive();

const attentionSchema = z.strictObject({
  ...harmless('attn_pdrop', 'tie_word_embeddings'),
  clip_qkv: z.number().positive().nullable().default(null),
  kv_n_heads: size.default(1),
  rope_theta: theta.optional(),
  pruned_heads: z.strictObject({}).optional(),
});

const activationSchema = z.strictObject({ name: z.literal('silu', { error: 'only "silu" is supported' }) });

const ffnSchema = z.strictObject({
  // hidden_size is overwritten by transformers with d_model; the tensors' shapes say the rest.
  ...harmless('hidden_size', 'moe_jitter_eps', 'moe_loss_weight', 'tie_word_embeddings'),
  ffn_act_fn: activationSchema.nullable().default(null),
  ffn_hidden_size: size.default(3584),
  moe_num_experts: size.max(4096).default(4),
  moe_top_k: size.default(1),
  moe_normalize_expert_weights: z
    .literal(1, { error: 'only 1 (L1 norm) and null (none) are supported' })
    .nullable()
    .default(1),
  uniform_expert_assignment: z.literal(false, { error: 'only false is supported' }).optional(),
  pruned_heads: z.strictObject({}).optional(),
});

const ropeSchema = z.strictObject({
  rope_theta: theta.optional(),
  rope_type: z.literal('default', { error: 'only "default" is supported, no rope scaling' }).optional(),
  partial_rotary_factor: z.literal(1, { error: 'only 1 is supported' }).optional(),
});

const dbrxSchema = z.strictObject({
  ...harmless('emb_pdrop', 'output_router_logits', 'resid_pdrop', 'router_aux_loss_coef'),
  d_model: size.optional(),
  hidden_size: size.optional(),
  n_heads: size.optional(),
  num_attention_heads: size.optional(),
  n_layers: size.max(1024).optional(),
  num_hidden_layers: size.max(1024).optional(),
  max_seq_len: size.optional(),
  max_position_embeddings: size.optional(),
  vocab_size: size.default(32_000),
  head_dim: size.optional(),
  num_key_value_heads: size.optional(),
  attn_config: attentionSchema.nullish().transform((given) => given ?? attentionSchema.parse({})),
  ffn_config: ffnSchema.nullish().transform((given) => given ?? ffnSchema.parse({})),
  rope_parameters: ropeSchema.nullish(),
  rope_theta: theta.optional(),
  rope_scaling: z.null({ error: 'rope scaling is not supported' }).optional(),
  pruned_heads: z.strictObject({}).optional(),
  tie_word_embeddings: z.literal(false, { error: 'DBRX has its own lm_head: only false is supported' }).optional(),
});

type DbrxConfig = z.infer<typeof dbrxSchema>;

/** Reads a DBRX config. Throws DomainError `bad_config` with the key, its value and what is supported. */
export function readDbrxConfig(config: ModelConfig): DbrxShape {
  const parsed = parseFamilyConfig(config, dbrxSchema);
  const { attn_config: attention, ffn_config: ffn } = parsed;
  const shape: DbrxShape = {
    layers: agreed(config, { n_layers: parsed.n_layers, num_hidden_layers: parsed.num_hidden_layers }, 24),
    dModel: agreed(config, { d_model: parsed.d_model, hidden_size: parsed.hidden_size }, 2048),
    vocab: parsed.vocab_size,
    maxContext: agreed(
      config,
      { max_seq_len: parsed.max_seq_len, max_position_embeddings: parsed.max_position_embeddings },
      2048,
    ),
    heads: agreed(config, { n_heads: parsed.n_heads, num_attention_heads: parsed.num_attention_heads }, 16),
    kvHeads: agreed(
      config,
      { 'attn_config.kv_n_heads': attention.kv_n_heads, num_key_value_heads: parsed.num_key_value_heads },
      attention.kv_n_heads,
    ),
    headDim: parsed.head_dim,
    clipQkv: attention.clip_qkv,
    ropeTheta: ropeTheta(config, parsed),
    experts: ffn.moe_num_experts,
    topK: ffn.moe_top_k,
    normalization: ffn.moe_normalize_expert_weights === null ? 'none' : 'l1',
    ffn: ffn.ffn_hidden_size,
  };
  refuseImpossibleShape(config, shape);
  return shape;
}

/** The config.json of a shape, for DBRX's own conventions and for transformers 5, which read theta in different places. */
export function writeDbrxConfig(shape: DbrxShape): Readonly<Record<string, unknown>> {
  return {
    architectures: ['DbrxForCausalLM'],
    model_type: 'dbrx',
    d_model: shape.dModel,
    n_heads: shape.heads,
    ...(shape.headDim !== undefined && { head_dim: shape.headDim }),
    n_layers: shape.layers,
    max_seq_len: shape.maxContext,
    vocab_size: shape.vocab,
    attn_config: { clip_qkv: shape.clipQkv, kv_n_heads: shape.kvHeads, rope_theta: shape.ropeTheta },
    ffn_config: {
      ffn_act_fn: { name: 'silu' },
      ffn_hidden_size: shape.ffn,
      moe_num_experts: shape.experts,
      moe_top_k: shape.topK,
      // transformers 5 insists on a float, which JSON.stringify cannot write for 1; every reader's default is 1.
      ...(shape.normalization === 'none' && { moe_normalize_expert_weights: null }),
    },
    rope_parameters: { rope_theta: shape.ropeTheta, rope_type: 'default' },
    tie_word_embeddings: false,
    use_cache: true,
  };
}

/** DBRX keeps theta in attn_config, transformers 5 at the top and reads it only there: they must not contradict. */
function ropeTheta(config: ModelConfig, parsed: DbrxConfig): number {
  const places = {
    'rope_parameters.rope_theta': parsed.rope_parameters?.rope_theta,
    'attn_config.rope_theta': parsed.attn_config.rope_theta,
    rope_theta: parsed.rope_theta,
  };
  return agreed(config, places, DEFAULT_ROPE_THETA);
}

/** One value that may stand under several keys; those present must be equal. */
function agreed(config: ModelConfig, places: Readonly<Record<string, number | undefined>>, whenAbsent: number): number {
  const given = Object.entries(places).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]));
  const first = given[0];
  if (first === undefined) return whenAbsent;
  const other = given.find(({ value }) => value !== first.value);
  if (other !== undefined) {
    throw refuseKey(
      config,
      other.key,
      other.value,
      `"${first.key}" is ${first.value}, expected the same value in both`,
    );
  }
  return first.value;
}

function refuseImpossibleShape(config: ModelConfig, shape: DbrxShape): void {
  const { dModel, heads, kvHeads, experts, topK } = shape;
  const headDim = dModel / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw refuseKey(config, 'n_heads', heads, `expected d_model (${dModel}) / n_heads to be an even integer`);
  }
  if (shape.headDim !== undefined && shape.headDim !== headDim) {
    throw refuseKey(config, 'head_dim', shape.headDim, `expected d_model / n_heads = ${headDim}`);
  }
  if (heads % kvHeads !== 0) {
    throw refuseKey(config, 'attn_config.kv_n_heads', kvHeads, `expected a divisor of n_heads (${heads})`);
  }
  if (topK > experts) {
    throw refuseKey(config, 'ffn_config.moe_top_k', topK, `expected at most moe_num_experts (${experts})`);
  }
}
