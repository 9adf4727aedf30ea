import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addBias,
  adjustLogits,
  penalizeFrequency,
  penalizeRepetition,
} from '../../../workers/sampler/adjust-logits.ts';
import { addToken, countTokens } from '../../../workers/sampler/token-counts.ts';
import { DEFAULTS, naiveAdjust } from './naive-sampler.ts';

test('the repetition penalty divides positive and multiplies negative logits, once per token, of prompt and answer', () => {
  const logits = Float32Array.of(2, -2, 2, 2);
  penalizeRepetition(logits, 2, countTokens([0, 1, 0], [1, 1, 3]));
  assert.deepEqual([...logits], [1, -4, 2, 1]);
});

test('frequency counts and presence marks tokens of the answer, not of the prompt', () => {
  const logits = Float32Array.of(1, 1, 1);
  penalizeFrequency(logits, 0.5, 0.25, countTokens([0], [1, 1, 2]));
  assert.deepEqual([...logits], [1, -0.25, 0.25]);
});

test('negative penalties favour repetition', () => {
  const logits = Float32Array.of(0, 0);
  penalizeFrequency(logits, -1, -0.5, countTokens([], [1]));
  assert.deepEqual([...logits], [0, 1.5]);
});

test('bias is added, ids outside the vocabulary are ignored', () => {
  const logits = Float32Array.of(1, 1);
  addBias(logits, [
    [0, -100],
    [1, 100],
    [9, 5],
  ]);
  assert.deepEqual([...logits], [-99, 101]);
});

test('all adjustments together are what they are one by one', () => {
  const token = fc.nat(19);
  const params = fc.record({
    repetitionPenalty: fc.constantFrom(1, 1.1, 2, 0.5),
    frequencyPenalty: fc.constantFrom(0, 0.7, -2, 2),
    presencePenalty: fc.constantFrom(0, 0.3, -1),
    logitBias: fc.uniqueArray(fc.tuple(token, fc.integer({ min: -100, max: 100 })), { selector: ([id]) => id }),
  });
  const logits = fc.float32Array({ minLength: 20, maxLength: 20, min: -30, max: 30, noNaN: true });
  fc.assert(
    fc.property(logits, params, fc.array(token), fc.array(token), (values, changed, prompt, generated) => {
      const counts = countTokens(prompt, generated);
      const adjusted = Float32Array.from(values);
      adjustLogits(adjusted, { ...DEFAULTS, ...changed }, counts);
      assert.deepEqual(adjusted, naiveAdjust(values, { ...DEFAULTS, ...changed }, counts));
    }),
    { seed: 6, numRuns: 500 },
  );
});

test('counting token by token is counting all at once', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9)), fc.array(fc.nat(9)), (prompt, generated) => {
      const stepwise = countTokens(prompt, []);
      for (const id of generated) addToken(stepwise, id);
      assert.deepEqual(stepwise, countTokens(prompt, generated));
    }),
    { seed: 7 },
  );
});

test('finite logits stay finite, however large they are', () => {
  const params = { ...DEFAULTS, repetitionPenalty: 0.01, frequencyPenalty: -2, presencePenalty: -2 };
  const logits = Float32Array.of(3.4e38, -3.4e38, 1);
  adjustLogits(logits, { ...params, logitBias: [[0, 100]] }, countTokens([0, 1], [0, 1]));
  assert.ok(logits.every(Number.isFinite), String(logits));
});
