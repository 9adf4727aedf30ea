// Mistral 7B and its successors of the same shape, dense; the window, where there is one, is that of all layers. Pure.
import { z } from 'zod';
import { decoderKeys, size } from './shared/config-keys.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, denseMlp, describeDecoder } from './shared/describe-decoder.ts';

export const mistral = defineFamily({
  modelType: 'mistral',
  defaults: {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 14_336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    hidden_act: 'silu',
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    sliding_window: 4096,
  },
  keys: z.strictObject({ ...decoderKeys, sliding_window: size.nullish() }),
  describe: (config, keys) =>
    describeDecoder(keys, {
      attention: attentionOf(config, keys),
      window: () => keys.sliding_window ?? null,
      mlp: () => denseMlp(keys.intermediate_size),
    }),
  // Mistral-7B-Instruct-v0.3.
  example: {
    vocab_size: 32_768,
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-5,
    rope_theta: 1_000_000,
    sliding_window: null,
  },
  resize: () => ({}),
});
