// Hunyuan-A13B: queries and keys are normed after the rotation, a stretched rotary base, one expert that all tokens share. Pure.
import { z } from 'zod';
import { type ModelConfig, refuseKey } from '../read-model-config.ts';
import { agreed, decoderKeys, expertCount, flag, only, readExperts, refuseOtherLength } from './shared/config-keys.ts';
import { sharedExpertTensors, usualLayouts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import {
  attentionOf,
  describeDecoder,
  normalizedTo1,
  rmsNorm,
  siluMlp,
  softmaxRouter,
} from './shared/describe-decoder.ts';
import { harmless } from './shared/ignorable-config-keys.ts';

/** One number, or the same one for each layer. */
const perLayer = z.union([expertCount, z.array(expertCount)]);

export const hunyuanV1Moe = defineFamily({
  modelType: 'hunyuan_v1_moe',
  defaults: {
    vocab_size: 290_943,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    hidden_act: 'silu',
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: false,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...harmless(
      'eod_token_id',
      'im_end_id',
      'im_newline_id',
      'im_start_id',
      'mask_init_id',
      'org_vocab_size',
      'text_end_id',
      'text_start_id',
      'video_end_id',
      'video_start_id',
      // Of training, of classifiers, of images, and of latent attention.
      'add_classification_head',
      'anyres_pooling_size',
      'anyres_vit_max_image_size',
      'anyres_vit_two_views',
      'capacity_factor',
      'class_num',
      'cla_share_factor',
      'kv_lora_rank',
      'max_image_size',
      'moe_drop_tokens',
      'moe_random_routing_dropped_token',
      'num_media_embeds',
      'pool_type',
      'q_lora_rank',
      'qk_nope_head_dim',
      'qk_rope_head_dim',
      'skip_cls_token',
      'v_head_dim',
      'vit_add_patchemb_bias',
      'vit_input_resolution',
      'vit_mapping_type',
      'vit_norm_type',
      'vit_patch',
      'vit_path',
      'vit_remove_prenorm',
      'vit_token',
      'vit_type',
      'vit_used_rms_norm',
      'xdrope_section',
      // Of groups and dense layers, which the keys below say it does not have.
      'dense_list',
      'n_group',
      'topk_group',
    ),
    attention_bias: flag,
    attention_head_dim: expertCount.optional(),
    num_experts: perLayer.optional(),
    num_local_experts: perLayer.optional(),
    moe_topk: perLayer.optional(),
    num_experts_per_tok: perLayer.optional(),
    moe_intermediate_size: perLayer.optional(),
    num_shared_expert: perLayer.optional(),
    group_limited_greedy: only(false),
    mlp_bias: only(false),
    moe_layer_num_skipped: only(0),
    norm_topk_prob: only(true),
    norm_type: z.enum(['rms', 'hf_rms', 'fused'], { error: 'only RMSNorm is supported' }).optional(),
    position_embedding_xdrope: only(false),
    routed_scaling_factor: z.union([z.literal(false), z.literal(1)], { error: 'only 1 is supported' }).optional(),
    use_cla: only(false),
    use_mixed_mlp_moe: only(true),
    use_mla: only(false),
    use_qk_norm: only(true),
    use_rotary_pos_emb: only(true),
  }),
  describe(config, keys) {
    const { num_hidden_layers: layers, intermediate_size: width, attention_bias: bias } = keys;
    const uniform = (key: 'num_experts' | 'num_local_experts' | 'moe_topk' | 'num_experts_per_tok') =>
      oneForAll(config, key, keys[key], layers);
    const places = { num_experts: uniform('num_experts'), num_local_experts: uniform('num_local_experts') };
    const chosen = { moe_topk: uniform('moe_topk'), num_experts_per_tok: uniform('num_experts_per_tok') };
    const { experts, topK } = readExperts(config, places, 1, { moe_topk: agreed(config, chosen) ?? 1 });
    refuseOther(config, keys, 'moe_intermediate_size', width);
    refuseOther(config, keys, 'num_shared_expert', 1);
    const { head_dim, attention_head_dim } = keys;
    const headDim = agreed(config, { head_dim: head_dim ?? undefined, attention_head_dim });
    const attentionKeys = { ...keys, head_dim: headDim };
    const router = softmaxRouter(experts, topK, { normalization: normalizedTo1() });
    const shared = { mlp: siluMlp(width), gate: false };
    return describeDecoder(keys, {
      attention: attentionOf(config, attentionKeys, {
        queryKeyValueBias: bias,
        outputBias: bias,
        queryKeyNorm: { extent: 'head', place: 'after_rotation', norm: rmsNorm(keys.rms_norm_eps) },
      }),
      mlp: () => ({ kind: 'moe', router, expert: siluMlp(width), shared }),
    });
  },
  layouts: (model) => usualLayouts(model, { router: 'model.layers.{layer}.mlp.gate.wg.weight' }),
  tensors: {
    ...sharedExpertTensors('mlp.shared_mlp'),
    queryNorm: 'model.layers.{layer}.self_attn.query_layernorm.weight',
    keyNorm: 'model.layers.{layer}.self_attn.key_layernorm.weight',
  },
  // Hunyuan-A13B-Instruct.
  example: {
    vocab_size: 128_167,
    intermediate_size: 3072,
    num_key_value_heads: 8,
    head_dim: 128,
    max_position_embeddings: 32_768,
    tie_word_embeddings: true,
    num_experts: 64,
    moe_topk: 8,
    rope_theta: 10_000,
    rope_scaling: { type: 'dynamic', alpha: 1000, factor: 1 },
  },
  resize: ({ experts, topK }) => ({ num_experts: experts, moe_topk: topK }),
});

/** The one number of a list that has an entry for each layer. Throws DomainError `bad_config` when layers differ. */
function oneForAll(
  config: ModelConfig,
  key: string,
  value: number | readonly number[] | undefined,
  layers: number,
): number | undefined {
  if (value === undefined || typeof value === 'number') return value;
  refuseOtherLength(config, key, value, layers);
  const [first] = value;
  if (value.some((one) => one !== first)) throw refuseKey(config, key, value, 'expected the same for all layers');
  return first;
}

function refuseOther<Key extends string>(
  config: ModelConfig,
  keys: { readonly [K in Key]?: number | number[] | undefined } & { readonly num_hidden_layers: number },
  key: Key,
  expected: number,
): void {
  const value = oneForAll(config, key, keys[key], keys.num_hidden_layers);
  if (value !== undefined && value !== expected) throw refuseKey(config, key, value, `only ${expected} is supported`);
}
