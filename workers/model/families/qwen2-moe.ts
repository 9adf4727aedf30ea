// Qwen1.5-MoE and Qwen2-MoE: biases on queries, keys and values, a shared expert behind a gate. Pure.
import { z } from 'zod';
import { decoderKeys, expertCount, expertKeys, flag, readExperts, size } from './shared/config-keys.ts';
import { sharedExpertTensors, usualLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import {
  attentionOf,
  denseMlp,
  describeDecoder,
  normalizedTo1,
  siluMlp,
  softmaxRouter,
} from './shared/describe-decoder.ts';
import { qwenWindowKeys, qwenWindows } from './shared/layer-windows.ts';
import { sparseLayerKeys, sparseLayers } from './shared/sparse-layers.ts';

export const qwen2Moe = defineFamily({
  modelType: 'qwen2_moe',
  defaults: {
    vocab_size: 151_936,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    num_key_value_heads: 16,
    hidden_act: 'silu',
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    use_sliding_window: false,
    sliding_window: 4096,
    max_window_layers: 28,
    decoder_sparse_step: 1,
    moe_intermediate_size: 1408,
    shared_expert_intermediate_size: 5632,
    num_experts_per_tok: 4,
    norm_topk_prob: false,
    qkv_bias: true,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    ...sparseLayerKeys,
    ...qwenWindowKeys,
    moe_intermediate_size: size,
    shared_expert_intermediate_size: size,
    num_experts_per_tok: expertCount,
    norm_topk_prob: flag,
    qkv_bias: flag,
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 60, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, { normalization: keys.norm_topk_prob ? normalizedTo1() : null });
    const shared = { mlp: siluMlp(keys.shared_expert_intermediate_size), gate: true };
    const isSparse = sparseLayers(config, keys);
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, { queryKeyValueBias: keys.qkv_bias }),
      // Of the first layers every other one.
      window: qwenWindows(config, keys, (layer) => layer % 2 === 0 && layer < (keys.max_window_layers ?? 0)),
      mlp: (layer) =>
        isSparse(layer)
          ? { kind: 'moe', router, expert: siluMlp(keys.moe_intermediate_size), shared }
          : denseMlp(keys.intermediate_size),
    });
  },
  layouts: (model) => usualLayouts(model, { router: 'model.layers.{layer}.mlp.gate.weight' }),
  tensors: {
    ...sharedExpertTensors('mlp.shared_expert'),
    sharedGate: 'model.layers.{layer}.mlp.shared_expert_gate.weight',
  },
  // Qwen1.5-MoE-A2.7B.
  example: { max_position_embeddings: 8192, rope_theta: 1_000_000, num_experts: 60 },
  resize: ({ experts, topK, ffn }) => ({
    num_experts: experts,
    num_experts_per_tok: topK,
    moe_intermediate_size: ffn,
    shared_expert_intermediate_size: 2 * ffn,
  }),
});
