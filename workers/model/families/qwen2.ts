// Qwen2 and Qwen2.5, dense: biases on queries, keys and values. Pure.
import { z } from 'zod';
import { decoderKeys } from './shared/config-keys.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, denseMlp, describeDecoder } from './shared/describe-decoder.ts';
import { qwenWindowKeys, qwenWindows } from './shared/layer-windows.ts';

export const qwen2 = defineFamily({
  modelType: 'qwen2',
  defaults: {
    vocab_size: 151_936,
    hidden_size: 4096,
    intermediate_size: 22_016,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    hidden_act: 'silu',
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    use_sliding_window: false,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  keys: z.strictObject({ ...decoderKeys, ...qwenWindowKeys }),
  describe: (config, keys) =>
    describeDecoder(keys, {
      attention: attentionOf(config, keys, { queryKeyValueBias: true }),
      window: qwenWindows(config, keys, (layer) => layer >= (keys.max_window_layers ?? 0)),
      mlp: () => denseMlp(keys.intermediate_size),
    }),
  // Qwen2.5-7B-Instruct.
  example: {
    vocab_size: 152_064,
    hidden_size: 3584,
    intermediate_size: 18_944,
    num_hidden_layers: 28,
    num_attention_heads: 28,
    num_key_value_heads: 4,
    rope_theta: 1_000_000,
  },
  resize: () => ({}),
});
