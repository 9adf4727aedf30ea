// GLM-4.5, 4.6 and 4.7: half of each head is rotated, sigmoid scores with a bias for the choice, an expert that all tokens share,
// and dense layers first. Pure.
import { z } from 'zod';
import { decoderKeys, expertCount, flag, only, readExperts, size } from './shared/config-keys.ts';
import { sharedExpertTensors, usualLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import {
  attentionOf,
  denseMlp,
  describeDecoder,
  normalizedTo1,
  rmsNorm,
  siluMlp,
  softmaxRouter,
} from './shared/describe-decoder.ts';
import { expertGroups, groupKeys } from './shared/expert-groups.ts';
import { harmless } from './shared/ignorable-config-keys.ts';

export const glm4Moe = defineFamily({
  modelType: 'glm4_moe',
  defaults: {
    vocab_size: 151_552,
    hidden_size: 4096,
    intermediate_size: 10_944,
    num_hidden_layers: 46,
    num_attention_heads: 96,
    num_key_value_heads: 8,
    hidden_act: 'silu',
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: false,
    moe_intermediate_size: 1408,
    num_experts_per_tok: 8,
    n_shared_experts: 1,
    routed_scaling_factor: 1,
    n_group: 1,
    topk_group: 1,
    first_k_dense_replace: 1,
    norm_topk_prob: true,
    use_qk_norm: false,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...groupKeys,
    // Layers that guess further tokens follow the model's own.
    ...harmless('num_nextn_predict_layers', 'num_mtp_layers'),
    attention_bias: flag,
    moe_intermediate_size: size,
    num_experts_per_tok: expertCount,
    n_shared_experts: size,
    n_routed_experts: expertCount.optional(),
    num_local_experts: expertCount.optional(),
    routed_scaling_factor: z.number().positive(),
    first_k_dense_replace: z.number().int().nonnegative(),
    norm_topk_prob: flag,
    use_qk_norm: flag,
    scoring_func: only('sigmoid'),
    topk_method: only('noaux_tc'),
  }),
  describe(config, keys) {
    const { n_routed_experts, num_local_experts, num_experts_per_tok, rms_norm_eps: epsilon } = keys;
    const places = { n_routed_experts, num_local_experts };
    const { experts, topK } = readExperts(config, places, 128, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, {
      scores: { kind: 'sigmoid' },
      choiceBias: true,
      groups: expertGroups(config, keys, experts, topK),
      normalization: keys.norm_topk_prob ? normalizedTo1(1e-20) : null,
      scale: keys.routed_scaling_factor,
    });
    const shared = { mlp: siluMlp(keys.moe_intermediate_size * keys.n_shared_experts), gate: false };
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        partial: 0.5,
        queryKeyValueBias: keys.attention_bias,
        queryKeyNorm: keys.use_qk_norm ? { extent: 'head', place: 'before_rotation', norm: rmsNorm(epsilon) } : null,
      }),
      mlp: (layer) =>
        layer < keys.first_k_dense_replace
          ? denseMlp(keys.intermediate_size)
          : { kind: 'moe', router, expert: siluMlp(keys.moe_intermediate_size), shared },
    });
  },
  layouts: (model) =>
    usualLayouts(model, {
      router: 'model.layers.{layer}.mlp.gate.weight',
      choiceBias: 'model.layers.{layer}.mlp.gate.e_score_correction_bias',
    }),
  tensors: sharedExpertTensors('mlp.shared_experts'),
  isUnread: (tensor, model) => Number(/^model\.layers\.(\d+)\./.exec(tensor)?.[1] ?? -1) >= model.blockOfLayer.length,
  // GLM-4.5-Air.
  example: {
    head_dim: 128,
    partial_rotary_factor: 0.5,
    rope_theta: 1_000_000,
    attention_bias: true,
    n_routed_experts: 128,
  },
  resize: ({ experts, topK, ffn }) => ({
    n_routed_experts: experts,
    num_experts_per_tok: topK,
    moe_intermediate_size: ffn,
    intermediate_size: 2 * ffn,
  }),
});
