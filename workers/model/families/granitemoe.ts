// Granite MoE: multipliers of embeddings, residuals, attention and logits; the chosen logits' softmax weighs the experts. Pure.
import { z } from 'zod';
import { decoderKeys, expertCount, expertKeys, flag, readExperts } from './shared/config-keys.ts';
import { mlxExperts, stackedExperts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, describeDecoder, siluMlp, softmaxRouter } from './shared/describe-decoder.ts';

const multiplier = z.number().positive();

export const graniteMoe = defineFamily({
  modelType: 'granitemoe',
  defaults: {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    hidden_act: 'silu',
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    attention_bias: false,
    embedding_multiplier: 1,
    logits_scaling: 1,
    residual_multiplier: 1,
    attention_multiplier: 1,
    num_experts_per_tok: 2,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    attention_bias: flag,
    embedding_multiplier: multiplier,
    logits_scaling: multiplier,
    residual_multiplier: multiplier,
    attention_multiplier: multiplier,
    num_experts_per_tok: expertCount,
  }),
  describe(config, keys) {
    const { num_experts, num_local_experts, num_experts_per_tok, attention_bias: bias } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 8, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, { scores: { kind: 'softmax_of_chosen' } });
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        queryKeyValueBias: bias,
        outputBias: bias,
        scale: keys.attention_multiplier,
      }),
      residualScale: keys.residual_multiplier,
      embeddingScale: keys.embedding_multiplier,
      head: { scale: 1 / keys.logits_scaling },
      mlp: () => ({ kind: 'moe', router, expert: siluMlp(keys.intermediate_size), shared: null }),
    });
  },
  layouts: (model) => [
    {
      router: { router: 'model.layers.{layer}.block_sparse_moe.router.layer.weight' },
      ...stackedExperts(model, 'block_sparse_moe.input_linear.weight', 'block_sparse_moe.output_linear.weight'),
    },
    {
      router: { router: 'model.layers.{layer}.block_sparse_moe.router.weight' },
      ...stackedExperts(model, 'block_sparse_moe.experts.gate_up_proj', 'block_sparse_moe.experts.down_proj'),
    },
    {
      router: { router: 'model.layers.{layer}.block_sparse_moe.router.layer.weight' },
      ...mlxExperts(model, 'block_sparse_moe.switch_mlp'),
    },
  ],
  // granite-3.1-3b-a800m-instruct.
  example: {
    vocab_size: 49_155,
    hidden_size: 1536,
    intermediate_size: 512,
    num_attention_heads: 24,
    num_key_value_heads: 8,
    max_position_embeddings: 131_072,
    rope_theta: 10_000_000,
    tie_word_embeddings: true,
    embedding_multiplier: 12,
    logits_scaling: 6,
    residual_multiplier: 0.22,
    attention_multiplier: 0.015_625,
    num_local_experts: 40,
    num_experts_per_tok: 8,
  },
  resize: ({ experts, topK }) => ({ num_local_experts: experts, num_experts_per_tok: topK }),
});
