// Published checkpoints by name: family, sizes and formats, for plans without a download. Sizes are those of their config.json. Pure.
import type { WeightFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import { familyOf } from '../model/families/model-families.ts';
import { sizedModel } from '../model/size-config.ts';
import { type StoredModel, storedIn, type WeightFormats } from '../model/stored-model.ts';

interface PublishedModel {
  readonly family: string;
  /** Keys of config.json that differ from the family's example. */
  readonly config: Readonly<Record<string, unknown>>;
}

const MODELS: Readonly<Record<string, PublishedModel>> = {
  'gpt-oss-20b': { family: 'gpt_oss', config: {} },
  'gpt-oss-120b': { family: 'gpt_oss', config: { num_hidden_layers: 36, num_local_experts: 128 } },
  'qwen3-30b-a3b': { family: 'qwen3_moe', config: {} },
  'qwen3-235b-a22b': {
    family: 'qwen3_moe',
    config: {
      hidden_size: 4096,
      num_hidden_layers: 94,
      num_attention_heads: 64,
      num_key_value_heads: 4,
      moe_intermediate_size: 1536,
    },
  },
  'qwen3-coder-480b-a35b': {
    family: 'qwen3_moe',
    config: {
      hidden_size: 6144,
      num_hidden_layers: 62,
      num_attention_heads: 96,
      num_key_value_heads: 8,
      num_experts: 160,
      moe_intermediate_size: 2560,
      max_position_embeddings: 262_144,
    },
  },
  'glm-4.5-air': { family: 'glm4_moe', config: {} },
  'glm-4.6': {
    family: 'glm4_moe',
    config: {
      hidden_size: 5120,
      num_hidden_layers: 92,
      intermediate_size: 12_288,
      moe_intermediate_size: 1536,
      n_routed_experts: 160,
      first_k_dense_replace: 3,
      routed_scaling_factor: 2.5,
      use_qk_norm: true,
    },
  },
  'minimax-m2': { family: 'minimax_m2', config: {} },
};

const BF16_ATTENTION = Object.fromEntries(
  (['query', 'key', 'value', 'attentionOutput', 'router', 'lmHead', 'embedding'] satisfies WeightRole[]).map(
    (role) => [role, 'bf16'] as const,
  ),
);
const FP8: WeightFormat = 'e4m3-g128-f32';

/** As the vendors and mlx-community publish them. */
const FORMATS: Readonly<Record<string, WeightFormats>> = {
  bf16: { '*': 'bf16' },
  mxfp4: { '*': 'e2m1-g32-e8m0', ...BF16_ATTENTION },
  fp8: { '*': FP8, router: 'bf16', lmHead: 'bf16', embedding: 'bf16' },
  '4bit': { '*': 'affine4-g64-bf16', router: 'affine8-g64-bf16' },
  '8bit': { '*': 'affine8-g64-bf16' },
};

/** Which of the formats each family is published in. */
const PUBLISHED_IN: Readonly<Record<string, readonly string[]>> = {
  gpt_oss: ['mxfp4'],
  qwen3_moe: ['bf16', 'fp8', '8bit', '4bit'],
  glm4_moe: ['bf16', '8bit', '4bit'],
  minimax_m2: ['fp8', '8bit', '4bit'],
};

/** `qwen3-30b-a3b-4bit` and its like. */
export const PUBLISHED_NAMES: readonly string[] = Object.entries(MODELS).flatMap(([name, { family }]) =>
  (PUBLISHED_IN[family] ?? []).map((format) => `${name}-${format}`),
);

/** null for a name that is not one of PUBLISHED_NAMES. */
export function publishedModel(name: string): StoredModel | null {
  if (!PUBLISHED_NAMES.includes(name)) return null;
  const [model, format] = [name.slice(0, name.lastIndexOf('-')), name.slice(name.lastIndexOf('-') + 1)];
  const published = MODELS[model];
  const formats = FORMATS[format];
  if (published === undefined || formats === undefined) return null;
  const family = familyOf({ path: name, modelType: published.family });
  return storedIn(sizedModel(family, published.config), 'bf16', formats);
}
