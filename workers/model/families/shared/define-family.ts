// Makes a ModelFamily of what a decoder in the style of Llama has to say: its keys, what they mean, and its tensors.
import type { z } from 'zod';
import type { ModelConfig } from '../../read-model-config.ts';
import { parseFamilyConfig } from '../../read-model-config.ts';
import type { ModelOutline } from '../../section-shapes.ts';
import type { ModelFamily, ModelSizes } from '../model-family.ts';
import { ATTENTION_TENSORS, DENSE_TENSORS, type ExpertLayout, pickLayout } from './decoder-tensors.ts';
import { sourcesIn, type TensorTable } from './tensor-table.ts';

export interface FamilyDefinition<Keys> {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** Of transformers' configuration class, for keys that a config leaves out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Every key that a config may have; strict. */
  readonly keys: z.ZodType<Keys>;
  describe(config: ModelConfig, keys: Keys): Omit<ModelOutline, 'family'>;
  /** Tensors that are not ATTENTION_TENSORS or DENSE_TENSORS, or are named otherwise. */
  readonly tensors?: TensorTable['shared'];
  /** The ways in which checkpoints have routers and experts, the published one first; none for dense models. */
  layouts?(model: ModelOutline): readonly [ExpertLayout, ...ExpertLayout[]];
  /** Tensors that are not read, beside rotary frequencies. */
  isUnread?(tensor: string, model: ModelOutline): boolean;
  /** Keys of config.json that differ from the defaults in the model the family is known for. */
  readonly example: Readonly<Record<string, unknown>>;
  /** Keys of a config in other sizes that the sizes of all decoders do not set. */
  resize(sizes: ModelSizes): Readonly<Record<string, unknown>>;
}

export function defineFamily<Keys>(definition: FamilyDefinition<Keys>): ModelFamily {
  const { modelType, defaults, keys, isUnread } = definition;
  const example = { model_type: modelType, ...defaults, ...definition.example };
  return {
    modelType,
    outline: (config) => {
      const parsed = parseFamilyConfig({ ...config, value: { ...defaults, ...config.value } }, keys);
      return { family: modelType, ...definition.describe(config, parsed) };
    },
    example,
    resize: (sizes) => ({ ...example, ...decoderSizes(sizes), ...definition.resize(sizes) }),
    sources: (model, has) => {
      const layouts = definition.layouts?.(model);
      const layout = layouts === undefined ? undefined : pickLayout(layouts, model, has);
      return sourcesIn(tensorTable(definition, model, layout));
    },
    mlxSources: (model) =>
      sourcesIn(
        tensorTable(
          definition,
          model,
          definition.layouts?.(model).find(({ isMlx }) => isMlx),
        ),
      ),
    copies: ({ head }) => (head.tied ? [{ tensor: LM_HEAD, of: EMBEDDING }] : []),
    // Older exports stored the rotary frequencies, which follow from the config.
    isUnread: (tensor, model) => tensor.endsWith('.rotary_emb.inv_freq') || isUnread?.(tensor, model) === true,
  };
}

const EMBEDDING = 'model.embed_tokens.weight';
const LM_HEAD = 'lm_head.weight';

function tensorTable<Keys>(
  { tensors }: FamilyDefinition<Keys>,
  model: ModelOutline,
  layout: ExpertLayout | undefined,
): TensorTable {
  return {
    shared: {
      ...ATTENTION_TENSORS,
      ...DENSE_TENSORS,
      ...layout?.router,
      ...tensors,
      embedding: EMBEDDING,
      lmHead: model.head.tied ? EMBEDDING : LM_HEAD,
    },
    expert: layout?.experts ?? {},
  };
}

function decoderSizes(sizes: ModelSizes): Readonly<Record<string, unknown>> {
  return {
    vocab_size: sizes.vocab,
    hidden_size: sizes.dModel,
    intermediate_size: sizes.ffn,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.kvHeads,
    head_dim: sizes.headDim ?? sizes.dModel / sizes.heads,
    max_position_embeddings: sizes.maxContext,
  };
}
