import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sampleToken } from '../../../workers/sampler/sample-token.ts';
import { createSamplerScratch } from '../../../workers/sampler/sampler-scratch.ts';
import { PURPOSE } from '../../../workers/sampler/sampling-key.ts';
import { countTokens } from '../../../workers/sampler/token-counts.ts';
import { tokenLogprob } from '../../../workers/sampler/token-logprobs.ts';
import { DEFAULTS } from './naive-sampler.ts';

const KEY = { seed: 1, choice: 0, position: 0, purpose: PURPOSE.token };

test('log-probabilities are the logarithms of the softmax', () => {
  const logits = Float32Array.of(Math.log(1), Math.log(2), Math.log(5));
  const { logprob, top } = tokenLogprob(logits, 1, 3);
  assert.ok(logprob !== null && Math.abs(logprob - Math.log(2 / 8)) < 1e-6);
  assert.deepEqual(
    top.map(([id]) => id),
    [2, 1, 0],
  );
});

test('alternatives are the most likely tokens, ties by lower id, and their chances are at most 1', () => {
  const values = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(values, fc.nat(20), (list, count) => {
      const { top } = tokenLogprob(Float32Array.from(list), 0, count);
      const sorted = [...list.keys()].sort((a, b) => (list[b] ?? 0) - (list[a] ?? 0) || a - b);
      assert.deepEqual(
        top.map(([id]) => id),
        sorted.slice(0, count),
      );
      assert.ok(top.reduce((sum, [, logprob]) => sum + Math.exp(logprob), 0) < 1 + 1e-9);
    }),
    { seed: 31, numRuns: 500 },
  );
});

test('large logits do not overflow', () => {
  assert.equal(tokenLogprob(Float32Array.of(3e38, 0), 0, 0).logprob, 0);
});

test("they are of the model's distribution, whatever temperature, bias and truncation choose", () => {
  const params = { ...DEFAULTS, temperature: 0.1, topK: 1, logitBias: [[0, 100]] as const, logprobs: { top: 2 } };
  const sampled = sampleToken(Float32Array.of(0, 0, 0, 0), params, countTokens([], []), KEY, createSamplerScratch(4));
  assert.equal(sampled.id, 0);
  assert.equal(sampled.logprob?.id, 0);
  assert.ok(Math.abs((sampled.logprob?.logprob ?? 0) - Math.log(1 / 4)) < 1e-12);
  assert.deepEqual(
    sampled.logprob?.top.map(([id]) => id),
    [0, 1],
  );
});

test('none are computed unless asked for', () => {
  const sampled = sampleToken(Float32Array.of(1, 2), DEFAULTS, countTokens([], []), KEY, createSamplerScratch(2));
  assert.equal(sampled.logprob, null);
});
