// ERNIE-4.5: neighbouring dimensions are rotated together, a bias for the choice of experts only, shared experts, dense layers
// first. Pure.
import { z } from 'zod';
import { wholeVector } from '../weight-plan.ts';
import { agreed, decoderKeys, expertCount, flag, only, readExperts, size } from './shared/config-keys.ts';
import { sharedExpertTensors, usualLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, describeDecoder, siluMlp, softmaxRouter } from './shared/describe-decoder.ts';
import { harmless } from './shared/ignorable-config-keys.ts';
import { type TableEntry, tensorName } from './shared/tensor-table.ts';

export const ernie45Moe = defineFamily({
  modelType: 'ernie4_5_moe',
  defaults: {
    vocab_size: 103_424,
    hidden_size: 2560,
    intermediate_size: 12_288,
    num_hidden_layers: 28,
    num_attention_heads: 20,
    num_key_value_heads: 4,
    hidden_act: 'silu',
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    moe_intermediate_size: 1536,
    moe_num_shared_experts: 2,
    moe_layer_start_index: 1,
    moe_layer_end_index: -1,
    moe_layer_interval: 1,
    moe_norm_min: 1e-12,
    use_bias: false,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...harmless('num_nextn_predict_layers', 'moe_capacity', 'moe_aux_loss_lambda'),
    moe_intermediate_size: size,
    moe_k: expertCount.optional(),
    num_experts_per_tok: expertCount.optional(),
    moe_num_experts: expertCount.optional(),
    num_experts: expertCount.optional(),
    moe_num_shared_experts: z.number().int().nonnegative(),
    moe_layer_start_index: z.number().int().nonnegative(),
    moe_layer_end_index: z.number().int().min(-1),
    moe_layer_interval: size,
    moe_norm_min: z.number().positive(),
    moe_gate: only('topk'),
    moe_use_aux_free: only(true),
    use_bias: flag,
  }),
  describe(config, keys) {
    const { moe_k, num_experts_per_tok, moe_num_experts, num_experts, use_bias: bias } = keys;
    const chosen = { moe_k: agreed(config, { moe_k, num_experts_per_tok }) ?? 6 };
    const { experts, topK } = readExperts(config, { moe_num_experts, num_experts }, 64, chosen);
    const router = softmaxRouter(experts, topK, {
      choiceBias: true,
      normalization: { epsilon: 0, minimum: keys.moe_norm_min },
    });
    const { moe_num_shared_experts: sharedExperts, moe_intermediate_size: width, moe_layer_end_index: end } = keys;
    const shared = sharedExperts === 0 ? null : { mlp: { ...siluMlp(sharedExperts * width), bias }, gate: false };
    const isSparse = (layer: number): boolean =>
      (layer + 1) % keys.moe_layer_interval === 0 &&
      layer >= keys.moe_layer_start_index &&
      (end === -1 || layer <= end);
    return describeDecoder(keys, {
      attention: attentionOf(config, keys, {
        theta: 500_000,
        pairing: 'adjacent',
        queryKeyValueBias: bias,
        outputBias: bias,
      }),
      head: { bias },
      mlp: (layer) =>
        isSparse(layer)
          ? { kind: 'moe', router, expert: siluMlp(width), shared }
          : { kind: 'dense', mlp: { ...siluMlp(keys.intermediate_size), bias } },
    });
  },
  layouts: (model) => {
    const router = 'model.layers.{layer}.mlp.gate.weight';
    const [separate, stacked, mlx] = usualLayouts(model, { router });
    return [
      { ...separate, router: { router, choiceBias: choiceBias('mlp.moe_statics') } },
      { ...stacked, router: { router, choiceBias: choiceBias('mlp.gate.moe_statics') } },
      // mlx-lm leaves the bias away when it converts a model; such a checkpoint is refused for the lack of it.
      { ...mlx, router: { router, choiceBias: choiceBias('mlp.moe_statics') } },
    ];
  },
  tensors: sharedExpertTensors('mlp.shared_experts'),
  isUnread: (tensor) => /(^|\.)mtp/.test(tensor),
  // ERNIE-4.5-21B-A3B.
  example: { rope_theta: 500_000, moe_num_experts: 64, moe_k: 6, use_bias: false },
  resize: ({ experts, topK, ffn }) => ({
    moe_num_experts: experts,
    moe_k: topK,
    moe_intermediate_size: ffn,
    intermediate_size: 2 * ffn,
  }),
});

/** [1, experts]. */
function choiceBias(place: string): TableEntry {
  return (section) => ({
    kind: 'vector',
    source: {
      ...wholeVector(tensorName(`model.layers.{layer}.${place}.e_score_correction_bias`, section), section.inputs),
      tensorShape: [1, section.inputs],
    },
  });
}
