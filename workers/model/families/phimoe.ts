// Phi-3.5-MoE: LayerNorm with biases, longrope, and two experts that are chosen one after the other (SparseMixer). Pure.
import { z } from 'zod';
import type { Norm } from '../../../native/model-description.ts';
import { decoderKeys, expertKeys, flag, readExperts, size } from './shared/config-keys.ts';
import { mixtralLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, describeDecoder, siluMlp, softmaxRouter } from './shared/describe-decoder.ts';
import { harmless } from './shared/ignorable-config-keys.ts';

export const phimoe = defineFamily({
  modelType: 'phimoe',
  defaults: {
    vocab_size: 32_064,
    hidden_size: 4096,
    intermediate_size: 6400,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    hidden_act: 'silu',
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: false,
    lm_head_bias: false,
    num_experts_per_tok: 2,
    router_jitter_noise: 0.01,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    // Of training.
    ...harmless('input_jitter_noise'),
    attention_bias: flag,
    lm_head_bias: flag,
    sliding_window: size.nullish(),
    num_experts_per_tok: z.literal(2, { error: 'SparseMixer chooses 2' }),
    router_jitter_noise: z.number().nonnegative(),
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok, attention_bias: bias } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 16, { num_experts_per_tok });
    const scores = { kind: 'sparse_mixer', threshold: 2 * keys.router_jitter_noise } as const;
    const router = softmaxRouter(experts, topK, { scores });
    const norm: Norm = { kind: 'layer', epsilon: keys.rms_norm_eps, bias: true, roundsBeforeWeight: false };
    return describeDecoder(keys, {
      norm,
      attention: attentionOf(config, keys, { theta: 1_000_000, queryKeyValueBias: bias, outputBias: bias }),
      window: () => keys.sliding_window ?? null,
      head: { bias: keys.lm_head_bias },
      mlp: () => ({ kind: 'moe', router, expert: siluMlp(keys.intermediate_size), shared: null }),
    });
  },
  layouts: (model) =>
    mixtralLayouts(model, {
      separate: { router: 'model.layers.{layer}.block_sparse_moe.gate.weight' },
      stacked: { router: 'model.layers.{layer}.mlp.router.weight' },
    }),
  // Phi-3.5-MoE-instruct, but for its tables of 48 factors.
  example: { attention_bias: true, lm_head_bias: true, num_local_experts: 16, rope_theta: 10_000 },
  resize: ({ experts, topK }) => ({ num_local_experts: experts, num_experts_per_tok: topK }),
});
