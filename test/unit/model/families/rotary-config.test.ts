import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RotaryTable } from '../../../../native/model-description.ts';
import { outlineWith } from './family-checkpoint.ts';

function rotaryOf(modelType: string, keys: Readonly<Record<string, unknown>>) {
  const usual = { rope_theta: undefined, rope_scaling: undefined };
  const { blocks, maxContext } = outlineWith(modelType, { ...usual, max_position_embeddings: 256, ...keys });
  return { ...blocks[0]?.attention.rotary, maxContext };
}

function tableOf(keys: Readonly<Record<string, unknown>>, modelType = 'llama'): RotaryTable | undefined {
  return rotaryOf(modelType, keys).table;
}

test('the base is that of transformers 5, of earlier versions, or of the family', () => {
  assert.deepEqual(tableOf({}), { kind: 'default', theta: 10_000 });
  assert.deepEqual(tableOf({ rope_theta: 3 }), { kind: 'default', theta: 3 });
  assert.deepEqual(tableOf({ rope_parameters: { rope_type: 'default', rope_theta: 4 } }), {
    kind: 'default',
    theta: 4,
  });
  assert.deepEqual(tableOf({}, 'mixtral'), { kind: 'default', theta: 1_000_000 });
});

test('a table that stretches positions makes the context as much longer', () => {
  const rope_scaling = { type: 'linear', factor: 2 };
  assert.deepEqual(rotaryOf('llama', { rope_scaling }), {
    ...{ table: { kind: 'linear', theta: 10_000, factor: 2 }, dims: 20, pairing: 'halves', maxContext: 512 },
  });
  const dynamic = rotaryOf('llama', { rope_scaling: { rope_type: 'dynamic', factor: 3 } });
  assert.deepEqual(dynamic.table, { kind: 'dynamic', theta: 10_000, factor: 3, originalContext: 256 });
  assert.equal(dynamic.maxContext, 768);
});

test("Llama 3's table", () => {
  const rope_scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, rope_type: 'llama3' };
  assert.deepEqual(tableOf({ rope_scaling: { ...rope_scaling, original_max_position_embeddings: 64 } }), {
    ...{ kind: 'llama3', theta: 10_000, factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64 },
  });
});

test('YaRN: what is left out follows from the factor', () => {
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 };
  const usual = {
    kind: 'yarn',
    theta: 10_000,
    factor: 4,
    betaFast: 32,
    betaSlow: 1,
    originalContext: 64,
    truncate: true,
  };
  const scale = (weight: number) => 0.1 * weight * Math.log(4) + 1;
  assert.deepEqual(tableOf({ rope_parameters: yarn }), { ...usual, attentionFactor: scale(1) });
  assert.deepEqual(tableOf({ rope_parameters: { ...yarn, attention_factor: 1 } }), { ...usual, attentionFactor: 1 });
  const scales = { mscale: 0.7, mscale_all_dim: 0.5 };
  assert.deepEqual(tableOf({ rope_parameters: { ...yarn, ...scales } }), {
    ...usual,
    attentionFactor: scale(0.7) / scale(0.5),
  });
});

test('gpt-oss has YaRN when its config says nothing of positions', () => {
  assert.deepEqual(tableOf({}, 'gpt_oss'), {
    ...{ kind: 'yarn', theta: 150_000, factor: 32, betaFast: 32, betaSlow: 1, originalContext: 4096, truncate: false },
    attentionFactor: 0.1 * Math.log(32) + 1,
  });
});

test('longrope: two tables and their factors', () => {
  const [short_factor, long_factor] = [new Array<number>(10).fill(1), new Array<number>(10).fill(2)];
  const rope_scaling = { type: 'longrope', short_factor, long_factor };
  const usual = {
    kind: 'longrope',
    theta: 10_000,
    originalContext: 64,
    shortFactors: short_factor,
    longFactors: long_factor,
  };
  const phi = { rope_theta: 10_000, original_max_position_embeddings: 64 };
  assert.deepEqual(
    tableOf({ ...phi, rope_scaling: { ...rope_scaling, short_mscale: 1.1, long_mscale: 1.2 } }, 'phimoe'),
    {
      ...usual,
      ...{ shortAttentionFactor: 1.1, longAttentionFactor: 1.2 },
    },
  );
  const factor = Math.sqrt(1 + Math.log(4) / Math.log(64));
  assert.deepEqual(tableOf({ ...phi, rope_scaling }, 'phimoe'), {
    ...usual,
    ...{ shortAttentionFactor: factor, longAttentionFactor: factor },
  });
});

test('a fixed alpha stretches the base', () => {
  const rope_scaling = { type: 'dynamic', alpha: 1000, factor: 1 };
  assert.deepEqual(tableOf({ rope_scaling }, 'hunyuan_v1_moe'), { kind: 'default', theta: 10_000 * 1000 ** (20 / 18) });
});

test('families that rotate a part of each head, or neighbouring dimensions', () => {
  const partOf = (modelType: string, keys: Readonly<Record<string, unknown>> = {}) => {
    const { dims, pairing } = rotaryOf(modelType, keys);
    return [dims, pairing];
  };
  assert.deepEqual(partOf('glm4_moe'), [10, 'halves']);
  assert.deepEqual(partOf('glm4_moe', { partial_rotary_factor: 0.3 }), [6, 'halves']);
  assert.deepEqual(partOf('minimax_m2', { rotary_dim: 8 }), [8, 'halves']);
  assert.deepEqual(partOf('ernie4_5_moe'), [20, 'adjacent']);
});
