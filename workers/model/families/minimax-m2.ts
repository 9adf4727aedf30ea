// MiniMax-M2: a norm of all queries and of all keys, half of each head rotated, sigmoid scores with a bias for the choice. Pure.
import { z } from 'zod';
import { refuseKey } from '../read-model-config.ts';
import { decoderKeys, expertCount, expertKeys, only, readExperts, refuseOtherLength } from './shared/config-keys.ts';
import { mixtralLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import {
  attentionOf,
  describeDecoder,
  normalizedTo1,
  rmsNorm,
  siluMlp,
  softmaxRouter,
} from './shared/describe-decoder.ts';
import { harmless } from './shared/ignorable-config-keys.ts';

export const minimaxM2 = defineFamily({
  modelType: 'minimax_m2',
  defaults: {
    vocab_size: 200_064,
    hidden_size: 3072,
    intermediate_size: 1536,
    num_hidden_layers: 62,
    num_attention_heads: 48,
    num_key_value_heads: 8,
    head_dim: 128,
    hidden_act: 'silu',
    max_position_embeddings: 196_608,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    num_experts_per_tok: 8,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    ...harmless(
      // Layers that guess further tokens, which are not read.
      'mtp_transformer_layers',
      'num_mtp_modules',
      'use_mtp',
      // Of the linear attention and the shared MLP that its predecessor had.
      'layernorm_full_attention_beta',
      'layernorm_linear_attention_beta',
      'layernorm_mlp_beta',
      'mlp_intermediate_size',
      'shared_moe_mode',
    ),
    num_experts_per_tok: expertCount,
    rotary_dim: z.number().int().positive().optional(),
    attn_type_list: z.array(z.literal(1, { error: 'only 1, attention over all positions, is supported' })).optional(),
    qk_norm_type: only('per_layer'),
    scoring_func: only('sigmoid'),
    shared_intermediate_size: only(0),
    sliding_window: only(null),
    use_qk_norm: only(true),
    use_routing_bias: only(true),
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok, rotary_dim, head_dim, attn_type_list } = keys;
    if (attn_type_list !== undefined) {
      refuseOtherLength(config, 'attn_type_list', attn_type_list, keys.num_hidden_layers);
    }
    const headDim = head_dim ?? keys.hidden_size / keys.num_attention_heads;
    if (rotary_dim !== undefined && rotary_dim > headDim) {
      throw refuseKey(config, 'rotary_dim', rotary_dim, `expected at most head_dim (${headDim})`);
    }
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 256, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, {
      scores: { kind: 'sigmoid' },
      choiceBias: true,
      normalization: normalizedTo1(),
    });
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        theta: 5_000_000,
        partial: (rotary_dim ?? headDim) / headDim,
        queryKeyNorm: { extent: 'projection', place: 'before_rotation', norm: rmsNorm(keys.rms_norm_eps) },
      }),
      mlp: () => ({ kind: 'moe', router, expert: siluMlp(keys.intermediate_size), shared: null }),
    });
  },
  layouts: (model) =>
    mixtralLayouts(model, {
      separate: {
        router: 'model.layers.{layer}.block_sparse_moe.gate.weight',
        choiceBias: 'model.layers.{layer}.block_sparse_moe.e_score_correction_bias',
      },
      stacked: {
        router: 'model.layers.{layer}.mlp.gate.weight',
        choiceBias: 'model.layers.{layer}.mlp.e_score_correction_bias',
      },
    }),
  isUnread: (tensor) => /(^|\.)mtp\./.test(tensor),
  example: { rotary_dim: 64, rope_theta: 5_000_000, num_local_experts: 256 },
  resize: ({ experts, topK, heads, dModel, headDim }) => ({
    num_local_experts: experts,
    num_experts_per_tok: topK,
    rotary_dim: 2 * Math.ceil((headDim ?? dModel / heads) / 4),
  }),
});
