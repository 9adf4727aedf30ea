// Keys of config.json that decoders in the style of Llama share, and the checks that all of them need. Families add their own
// keys to these in a strict schema: a key that neither has is refused.
import { z } from 'zod';
import { type ModelConfig, refuseKey } from '../../read-model-config.ts';
import { harmless } from './ignorable-config-keys.ts';
import { rotaryKeys } from './rotary-config.ts';

export const size = z
  .number()
  .int()
  .positive()
  .max(2 ** 31);
export const expertCount = size.max(4096);
export const flag = z.boolean();

/** A key whose other values would change what the model computes. */
export function only<T extends string | number | boolean | null>(value: T): z.ZodOptional<z.ZodLiteral<T>> {
  return z.literal(value, { error: `only ${JSON.stringify(value)} is supported` }).optional();
}

/** Of every family; those that transformers may leave out have their defaults in the family. */
export const decoderKeys = {
  ...harmless(
    'attention_dropout',
    'embd_pdrop',
    'hidden_dropout',
    'resid_pdrop',
    // Summands of a product in another order, in training.
    'pretraining_tp',
    'output_router_logits',
    'router_aux_loss_coef',
    'router_jitter_noise',
    'router_z_loss_coef',
  ),
  ...rotaryKeys,
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size.max(1024),
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: z.literal('silu', { error: 'only "silu" is supported' }),
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  tie_word_embeddings: flag,
};

export type DecoderKeys = z.infer<z.ZodObject<typeof decoderKeys>>;

/** transformers 5 writes one of these names for the other; those present must agree. */
export const expertKeys = { num_experts: expertCount.optional(), num_local_experts: expertCount.optional() };

/** Reads a number that may stand under several keys. Throws DomainError `bad_config` where they contradict. */
export function agreed<T extends number | boolean | undefined>(
  config: Pick<ModelConfig, 'path'>,
  places: Readonly<Record<string, T | undefined>>,
): T | undefined {
  const given = Object.entries(places).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]));
  const [first] = given;
  const other = given.find(({ value }) => value !== first?.value);
  if (first === undefined || other === undefined) return first?.value;
  throw refuseKey(
    config,
    other.key,
    other.value,
    `"${first.key}" is ${String(first.value)}, expected the same value in both`,
  );
}

/** A list with an entry for each layer. Throws DomainError `bad_config` for one of another length. */
export function refuseOtherLength(
  config: Pick<ModelConfig, 'path'>,
  key: string,
  list: readonly unknown[],
  layers: number,
): void {
  if (list.length !== layers) {
    throw refuseKey(config, key, list, `expected ${layers} entries, one for each of num_hidden_layers`);
  }
}

/** The number of experts. Throws DomainError `bad_config` when more are chosen than there are. */
export function readExperts(
  config: Pick<ModelConfig, 'path'>,
  places: Readonly<Record<string, number | undefined>>,
  usual: number,
  topK: Readonly<Record<string, number>>,
): { readonly experts: number; readonly topK: number } {
  const experts = agreed(config, places) ?? usual;
  const [key = '', chosen = 0] = Object.entries(topK)[0] ?? [];
  if (chosen > experts) throw refuseKey(config, key, chosen, `expected at most the number of experts (${experts})`);
  return { experts, topK: chosen };
}
