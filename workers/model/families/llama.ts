// Llama 1 to 3, dense. Pure.
import { z } from 'zod';
import { decoderKeys, flag } from './shared/config-keys.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, describeDecoder, siluMlp } from './shared/describe-decoder.ts';

export const llama = defineFamily({
  modelType: 'llama',
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
    mlp_bias: false,
  },
  keys: z.strictObject({ ...decoderKeys, attention_bias: flag, mlp_bias: flag }),
  describe(config, keys) {
    const { attention_bias: bias, mlp_bias, intermediate_size: width } = keys;
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, { queryKeyValueBias: bias, outputBias: bias }),
      mlp: () => ({ kind: 'dense', mlp: { ...siluMlp(width), bias: mlp_bias } }),
    });
  },
  // Llama-3.1-8B-Instruct.
  example: {
    vocab_size: 128_256,
    intermediate_size: 14_336,
    num_key_value_heads: 8,
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    rope_scaling: {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
      rope_type: 'llama3',
    },
  },
  resize: () => ({}),
});
