// Mixtral: no shared expert, the chosen probabilities add up to 1. Pure.
import { z } from 'zod';
import { decoderKeys, expertCount, expertKeys, readExperts, size } from './shared/config-keys.ts';
import { mixtralLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, describeDecoder, normalizedTo1, siluMlp, softmaxRouter } from './shared/describe-decoder.ts';

export const mixtral = defineFamily({
  modelType: 'mixtral',
  defaults: {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 14_336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    hidden_act: 'silu',
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    num_experts_per_tok: 2,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    sliding_window: size.nullish(),
    num_experts_per_tok: expertCount,
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 8, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, { normalization: normalizedTo1() });
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, { theta: 1_000_000 }),
      window: () => keys.sliding_window ?? null,
      mlp: () => ({ kind: 'moe', router, expert: siluMlp(keys.intermediate_size), shared: null }),
    });
  },
  layouts: (model) =>
    mixtralLayouts(model, {
      separate: { router: 'model.layers.{layer}.block_sparse_moe.gate.weight' },
      stacked: { router: 'model.layers.{layer}.mlp.gate.weight' },
    }),
  // Mixtral-8x7B-Instruct-v0.1.
  example: { max_position_embeddings: 32_768, rope_theta: 1_000_000, num_local_experts: 8 },
  resize: ({ experts, topK }) => ({ num_local_experts: experts, num_experts_per_tok: topK }),
});
