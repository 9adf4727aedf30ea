// Qwen3-MoE: a norm of each head's queries and keys, experts without a shared one. Pure.
import { z } from 'zod';
import { decoderKeys, expertCount, expertKeys, flag, readExperts, size } from './shared/config-keys.ts';
import { usualLayouts } from './shared/decoder-tensors.ts';
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
import { qwenWindowKeys, qwenWindows } from './shared/layer-windows.ts';
import { sparseLayerKeys, sparseLayers } from './shared/sparse-layers.ts';

export const qwen3Moe = defineFamily({
  modelType: 'qwen3_moe',
  defaults: {
    vocab_size: 151_936,
    hidden_size: 2048,
    intermediate_size: 6144,
    num_hidden_layers: 24,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    hidden_act: 'silu',
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    attention_bias: false,
    use_sliding_window: false,
    sliding_window: 4096,
    decoder_sparse_step: 1,
    moe_intermediate_size: 768,
    num_experts_per_tok: 8,
    norm_topk_prob: false,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    ...sparseLayerKeys,
    ...qwenWindowKeys,
    // The reference slides in all layers or in none, whatever such a list says.
    layer_types: z.undefined({ error: 'kinds of layers are not supported' }).optional(),
    attention_bias: flag,
    moe_intermediate_size: size,
    num_experts_per_tok: expertCount,
    norm_topk_prob: flag,
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok, attention_bias: bias } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 128, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, { normalization: keys.norm_topk_prob ? normalizedTo1() : null });
    const isSparse = sparseLayers(config, keys);
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        queryKeyValueBias: bias,
        outputBias: bias,
        queryKeyNorm: { extent: 'head', place: 'before_rotation', norm: rmsNorm(keys.rms_norm_eps) },
      }),
      window: qwenWindows(config, keys, () => true),
      mlp: (layer) =>
        isSparse(layer)
          ? { kind: 'moe', router, expert: siluMlp(keys.moe_intermediate_size), shared: null }
          : denseMlp(keys.intermediate_size),
    });
  },
  layouts: (model) => usualLayouts(model, { router: 'model.layers.{layer}.mlp.gate.weight' }),
  // Qwen3-30B-A3B.
  example: {
    num_hidden_layers: 48,
    head_dim: 128,
    max_position_embeddings: 40_960,
    rope_theta: 1_000_000,
    num_experts: 128,
    norm_topk_prob: true,
  },
  resize: ({ experts, topK, ffn }) => ({
    num_experts: experts,
    num_experts_per_tok: topK,
    moe_intermediate_size: ffn,
  }),
});
