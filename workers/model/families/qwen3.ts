// Qwen3, dense: a norm of each head's queries and keys. Pure.
import { z } from 'zod';
import { decoderKeys, flag } from './shared/config-keys.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, denseMlp, describeDecoder, rmsNorm } from './shared/describe-decoder.ts';
import { qwenWindowKeys, qwenWindows } from './shared/layer-windows.ts';

export const qwen3 = defineFamily({
  modelType: 'qwen3',
  defaults: {
    vocab_size: 151_936,
    hidden_size: 4096,
    intermediate_size: 22_016,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    head_dim: 128,
    hidden_act: 'silu',
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    attention_bias: false,
    use_sliding_window: false,
    sliding_window: 4096,
    max_window_layers: 28,
  },
  keys: z.strictObject({ ...decoderKeys, ...qwenWindowKeys, attention_bias: flag }),
  describe(config, keys) {
    const { attention_bias: bias, rms_norm_eps: epsilon } = keys;
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        queryKeyValueBias: bias,
        outputBias: bias,
        queryKeyNorm: { extent: 'head', place: 'before_rotation', norm: rmsNorm(epsilon) },
      }),
      window: qwenWindows(config, keys, (layer) => layer >= (keys.max_window_layers ?? 0)),
      mlp: () => denseMlp(keys.intermediate_size),
    });
  },
  // Qwen3-8B.
  example: {
    intermediate_size: 12_288,
    num_hidden_layers: 36,
    num_key_value_heads: 8,
    max_position_embeddings: 40_960,
    rope_theta: 1_000_000,
  },
  resize: () => ({}),
});
