// Rotary position embeddings as config.json has them: `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of
// earlier versions. In: parsed keys. Out: a Rotary, or DomainError `bad_config` naming the key. Formulas that turn keys into
// factors are those of transformers' rope utilities.
import { z } from 'zod';
import type { Rotary, RotaryTable } from '../../../../native/model-description.ts';
import { type ModelConfig, refuseKey } from '../../read-model-config.ts';

const positive = z.number().positive();
const factors = z.array(positive);

const ropeSchema = z.strictObject({
  rope_theta: positive.nullish(),
  rope_type: z.string().optional(),
  type: z.string().optional(),
  partial_rotary_factor: positive.max(1).nullish(),
  factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  short_factor: factors.nullish(),
  long_factor: factors.nullish(),
  short_mscale: positive.nullish(),
  long_mscale: positive.nullish(),
  alpha: positive.nullish(),
});

type RopeKeys = z.infer<typeof ropeSchema>;

export const rotaryKeys = {
  rope_theta: positive.optional(),
  rope_parameters: ropeSchema.nullish(),
  rope_scaling: ropeSchema.nullish(),
  partial_rotary_factor: positive.max(1).nullish(),
  original_max_position_embeddings: positive.nullish(),
};

interface RotaryConfig {
  readonly rope_theta?: number | undefined;
  readonly rope_parameters?: RopeKeys | null | undefined;
  readonly rope_scaling?: RopeKeys | null | undefined;
  readonly partial_rotary_factor?: number | null | undefined;
  readonly original_max_position_embeddings?: number | null | undefined;
  readonly max_position_embeddings: number;
}

export interface RotaryChoices {
  readonly headDim: number;
  readonly pairing: Rotary['pairing'];
  /** Of a config that names none; default: 10,000. */
  readonly theta?: number;
  /** Part of a head that is rotated, of a config that names none; without it no config may name another than all. */
  readonly partial?: number;
}

/** Reads a config's rotary embedding. */
export function readRotary(config: Pick<ModelConfig, 'path'>, keys: RotaryConfig, choices: RotaryChoices): Rotary {
  const { where, rope } = ropeOf(config, keys);
  const theta = one(config, 'rope_theta', keys.rope_theta, `${where}.rope_theta`, rope.rope_theta) ?? choices.theta;
  const part = one(
    config,
    'partial_rotary_factor',
    keys.partial_rotary_factor,
    `${where}.partial_rotary_factor`,
    rope.partial_rotary_factor,
  );
  if (choices.partial === undefined && part !== undefined && part !== 1) {
    throw refuseKey(config, 'partial_rotary_factor', part, 'only 1 is supported');
  }
  const dims = Math.trunc(choices.headDim * (part ?? choices.partial ?? 1));
  if (dims % 2 !== 0 || dims === 0) {
    throw refuseKey(config, 'head_dim', choices.headDim, `expected an even number of rotated dimensions, not ${dims}`);
  }
  const read = new RopeReader(config, where, rope, keys);
  return { table: read.table(theta ?? DEFAULT_THETA, dims), dims, pairing: choices.pairing };
}

/** How many times the context of `max_position_embeddings` the table reaches. */
export function contextFactor({ kind, ...table }: RotaryTable): number {
  return (kind === 'linear' || kind === 'dynamic') && 'factor' in table ? table.factor : 1;
}

// transformers' default when neither the model nor its config names one.
const DEFAULT_THETA = 10_000;

function ropeOf(
  config: Pick<ModelConfig, 'path'>,
  { rope_parameters: parameters, rope_scaling: scaling }: RotaryConfig,
): { where: string; rope: RopeKeys } {
  if (parameters == null) return { where: 'rope_scaling', rope: scaling ?? {} };
  if (scaling != null && JSON.stringify(scaling) !== JSON.stringify(parameters)) {
    throw refuseKey(config, 'rope_scaling', scaling, 'expected the same as "rope_parameters", or one of them alone');
  }
  return { where: 'rope_parameters', rope: parameters };
}

function one(
  config: Pick<ModelConfig, 'path'>,
  key: string,
  value: number | null | undefined,
  otherKey: string,
  otherValue: number | null | undefined,
): number | undefined {
  if (value != null && otherValue != null && value !== otherValue) {
    throw refuseKey(config, otherKey, otherValue, `"${key}" is ${value}, expected the same value in both`);
  }
  return otherValue ?? value ?? undefined;
}

/** Reads the keys that a kind of table needs. */
class RopeReader {
  readonly #config: Pick<ModelConfig, 'path'>;
  readonly #where: string;
  readonly #rope: RopeKeys;
  readonly #keys: RotaryConfig;

  constructor(config: Pick<ModelConfig, 'path'>, where: string, rope: RopeKeys, keys: RotaryConfig) {
    this.#config = config;
    this.#where = where;
    this.#rope = rope;
    this.#keys = keys;
  }

  table(theta: number, dims: number): RotaryTable {
    const kind = this.#rope.rope_type ?? this.#rope.type ?? 'default';
    switch (kind) {
      case 'default':
        return { kind, theta };
      case 'linear':
        return { kind, theta, factor: this.#factor() };
      case 'dynamic':
        return this.#dynamic(theta, dims);
      case 'llama3':
        return this.#llama3(theta);
      case 'yarn':
        return this.#yarn(theta);
      case 'longrope':
        return this.#longrope(theta, dims);
      default:
        throw this.#refuse('rope_type', kind, 'supported are: default, linear, dynamic, llama3, yarn, longrope');
    }
  }

  /** A fixed `alpha` stretches the base whatever the length; without one the length does. */
  #dynamic(theta: number, dims: number): RotaryTable {
    const { alpha } = this.#rope;
    if (alpha != null) return { kind: 'default', theta: theta * alpha ** (dims / (dims - 2)) };
    return { kind: 'dynamic', theta, factor: this.#factor(), originalContext: this.#keys.max_position_embeddings };
  }

  #llama3(theta: number): RotaryTable {
    return {
      kind: 'llama3',
      theta,
      factor: this.#factor(),
      lowFrequencyFactor: this.#needed('low_freq_factor'),
      highFrequencyFactor: this.#needed('high_freq_factor'),
      originalContext: this.#originalContext(),
    };
  }

  #yarn(theta: number): RotaryTable {
    const { beta_fast: betaFast, beta_slow: betaSlow, truncate } = this.#rope;
    const factor = this.#factorOr(this.#keys.max_position_embeddings / this.#originalContext());
    return {
      kind: 'yarn',
      theta,
      factor,
      betaFast: betaFast ?? 32,
      betaSlow: betaSlow ?? 1,
      originalContext: this.#originalContext(),
      truncate: truncate ?? true,
      attentionFactor: this.#rope.attention_factor ?? yarnAttentionFactor(factor, this.#rope),
    };
  }

  #longrope(theta: number, dims: number): RotaryTable {
    const originalContext = this.#originalContext();
    const factor = this.#factorOr(this.#keys.max_position_embeddings / originalContext);
    const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));
    const attentionFactor = this.#rope.attention_factor ?? usual;
    return {
      kind: 'longrope',
      theta,
      originalContext,
      shortFactors: this.#factors('short_factor', dims),
      longFactors: this.#factors('long_factor', dims),
      shortAttentionFactor: this.#rope.short_mscale ?? attentionFactor,
      longAttentionFactor: this.#rope.long_mscale ?? attentionFactor,
    };
  }

  #factors(key: 'short_factor' | 'long_factor', dims: number): readonly number[] {
    const list = this.#rope[key];
    if (list?.length === dims / 2) return list;
    throw this.#refuse(key, list ?? undefined, `expected ${dims / 2} numbers, one for each pair of dimensions`);
  }

  #factor(): number {
    return this.#needed('factor');
  }

  #factorOr(usual: number): number {
    return this.#rope.factor ?? usual;
  }

  #needed(key: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number {
    const value = this.#rope[key];
    if (value != null) return value;
    throw this.#refuse(key, undefined, `a table of type "${this.#rope.rope_type ?? this.#rope.type}" needs it`);
  }

  #originalContext(): number {
    const { original_max_position_embeddings: outer, max_position_embeddings: whole } = this.#keys;
    return outer ?? this.#rope.original_max_position_embeddings ?? whole;
  }

  #refuse(key: string, value: unknown, expected: string): Error {
    return refuseKey(this.#config, `${this.#where}.${key}`, value, expected);
  }
}

function yarnAttentionFactor(factor: number, { mscale, mscale_all_dim: mscaleAllDim }: RopeKeys): number {
  const scale = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  return mscale && mscaleAllDim ? scale(mscale) / scale(mscaleAllDim) : scale(1);
}
