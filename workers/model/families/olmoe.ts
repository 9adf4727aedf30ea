// OLMoE: a norm of all queries and of all keys, experts without a shared one. Pure.
import { z } from 'zod';
import { decoderKeys, expertCount, expertKeys, flag, readExperts } from './shared/config-keys.ts';
import { usualLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import {
  attentionOf,
  describeDecoder,
  normalizedTo1,
  rmsNorm,
  siluMlp,
  softmaxRouter,
} from './shared/describe-decoder.ts';

export const olmoe = defineFamily({
  modelType: 'olmoe',
  defaults: {
    vocab_size: 50_304,
    hidden_size: 2048,
    intermediate_size: 2048,
    num_hidden_layers: 16,
    num_attention_heads: 16,
    hidden_act: 'silu',
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: false,
    clip_qkv: null,
    num_experts_per_tok: 8,
    norm_topk_prob: false,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    attention_bias: flag,
    clip_qkv: z.number().positive().nullable(),
    num_experts_per_tok: expertCount,
    norm_topk_prob: flag,
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok, attention_bias: bias } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 64, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, { normalization: keys.norm_topk_prob ? normalizedTo1() : null });
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        queryKeyValueBias: bias,
        outputBias: bias,
        queryKeyNorm: { extent: 'projection', place: 'before_rotation', norm: rmsNorm(keys.rms_norm_eps) },
        clip: keys.clip_qkv,
      }),
      mlp: () => ({ kind: 'moe', router, expert: siluMlp(keys.intermediate_size), shared: null }),
    });
  },
  layouts: (model) => usualLayouts(model, { router: 'model.layers.{layer}.mlp.gate.weight' }),
  // OLMoE-1B-7B-0924.
  example: { intermediate_size: 1024, num_experts: 64 },
  resize: ({ experts, topK }) => ({ num_experts: experts, num_experts_per_tok: topK }),
});
