// The engine's sampler against the plain definition: the same tokens and alternatives for all parameters, log-probabilities within
// 1e-12. The two take e^x from different sources and add weights up in different orders: tokens could differ only where a random
// number or a share of top_p comes within about 1e-13 of a boundary, which the seeds here do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SamplingParams } from '../../../infra/messages/generation-request.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { RowSampling, type TokenDraw } from '../../../native/row-sampling.ts';
import { philox4x32 } from '../../../workers/sampler/philox.ts';
import { type Before, NOTHING_BEFORE, sampleLogits, scoreLogits } from '../../sample-logits.ts';
import { DEFAULTS, naiveAdjust, naiveLogprobs, naiveSample, uniform } from './naive-sampler.ts';

interface Trial {
  readonly logits: Float32Array;
  readonly params: SamplingParams;
  readonly before: Before;
}

function assertAsDefined({ logits, params, before }: Trial): void {
  const result = sampleLogits(logits, params, before);
  const faulty = logits.findIndex((logit) => !Number.isFinite(logit));
  const id = faulty < 0 ? naiveSample(logits, params, before) : -1;
  if (faulty >= 0) {
    assert.deepEqual(result, { outcome: 'not_finite', id: faulty, value: logits[faulty] });
  } else if (id < 0) {
    assert.deepEqual(result, { outcome: 'nothing_to_choose' });
  } else {
    assert.ok(result.outcome === 'chosen');
    assert.equal(result.id, id);
    if (params.logprobs === null) assert.equal(result.logprob, null);
    else assertLogprobs(logits, id, params.logprobs.top, result.logprob);
  }
}

function assertLogprobs(logits: Float32Array, id: number, top: number, found: unknown): void {
  const expected = naiveLogprobs(logits, id, top);
  const { logprob, top: alternatives, id: of } = found as { id: number; logprob: number; top: [number, number][] };
  assert.equal(of, id);
  assertClose(logprob, expected.logprob);
  assert.deepEqual(
    alternatives.map(([other]) => other),
    expected.top.map(([other]) => other),
  );
  for (const [at, [, value]] of expected.top.entries()) assertClose(alternatives[at]?.[1] ?? Number.NaN, value);
}

function assertClose(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), `${found} is not ${expected}`);
}

type Shape = (unit: number) => number;

/** What the logits of a row look like, from numbers that are uniform in [0, 1). */
const SHAPES: readonly Shape[] = [
  (unit) => 40 * unit,
  (unit) => unit / 100,
  (unit) => Math.floor(4 * unit) - 2,
  () => -3,
  // A few far above the rest.
  (unit) => (unit > 0.999 ? 20 + 1000 * (unit - 0.999) : 8 * unit),
  // Of all sizes.
  (unit) => (unit - 0.5) * 10 ** (76 * ((unit * 1e6) % 1) - 38),
  // Denormal.
  (unit) => (unit - 0.5) * 1e-42,
];

function logitsOf(vocab: number, shape: Shape, seed: number): Float32Array {
  const units = Array.from({ length: vocab }, (_, id) => philox4x32([id, 0, 0, 0], [seed, 9])[0] / 2 ** 32);
  return Float32Array.from(units, shape);
}

const fraction = fc.oneof(
  fc.constantFrom(0, 0.1, 0.5, 0.9, 0.95, 0.999, 1),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const penalty = fc.oneof(fc.constantFrom(0, 0.5, -2, 2), fc.double({ min: -2, max: 2, noNaN: true }));
const anySeed = fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String));

function paramsFor(vocab: number): fc.Arbitrary<SamplingParams> {
  const bias = fc.oneof(
    fc.integer({ min: -100, max: 100 }),
    fc.double({ min: -100, max: 100, noNaN: true }),
    fc.constant(Number.NEGATIVE_INFINITY),
  );
  const changes = fc.record(
    {
      temperature: fc.oneof(fc.constantFrom(0, 0.01, 0.7, 1, 2, 1e-310), fc.double({ min: 0, max: 2, noNaN: true })),
      topP: fraction,
      topK: fc.oneof(fc.constantFrom(0, 1, 2, 40, 800, 1_000_000), fc.nat(2 * vocab)),
      minP: fraction,
      repetitionPenalty: fc.oneof(fc.constantFrom(1, 1.1, 0.01, 10), fc.double({ min: 0.01, max: 10, noNaN: true })),
      frequencyPenalty: penalty,
      presencePenalty: penalty,
      logitBias: fc.array(fc.tuple(fc.nat(vocab + 3), bias), { maxLength: 6 }),
      seed: anySeed,
      logprobs: fc.oneof(fc.constant(null), fc.record({ top: fc.nat(20) })),
    },
    { requiredKeys: [] },
  );
  return changes.map((changed) => ({ ...DEFAULTS, ...changed }));
}

function trials(vocab: fc.Arbitrary<number>): fc.Arbitrary<Trial> {
  return fc.tuple(vocab, fc.constantFrom(...SHAPES), fc.nat(2 ** 31)).chain(([size, shape, number]) => {
    const ids = fc.array(fc.nat(size + 3), { maxLength: 20 });
    return fc.record({
      logits: fc.constant(logitsOf(size, shape, number)),
      params: paramsFor(size),
      before: fc.record({ prompt: ids, generated: ids, choice: fc.nat(128) }),
    });
  });
}

test('samples what sorting and cutting samples, in small vocabularies', () => {
  const vocab = fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constantFrom(255, 256, 257, 511, 512, 513, 1000));
  fc.assert(fc.property(trials(vocab), assertAsDefined), { seed: 51, numRuns: 3000 });
});

test('samples what sorting and cutting samples, whatever bits the logits have', () => {
  const bits = fc.uint32Array({ minLength: 1, maxLength: 60 }).map((words) => new Float32Array(words.buffer));
  const floats = fc.float32Array({ minLength: 1, maxLength: 60 });
  const trial = fc
    .oneof(bits, floats)
    .chain((logits) =>
      trials(fc.constant(logits.length)).map((other) => ({ ...other, logits: Float32Array.from(logits) })),
    );
  fc.assert(fc.property(trial, assertAsDefined), { seed: 52, numRuns: 3000 });
});

test("samples what sorting and cutting samples, in real models' vocabularies", () => {
  const vocab = fc.constantFrom(32_000, 100_352, 201_088);
  fc.assert(fc.property(trials(vocab), assertAsDefined), { seed: 53, numRuns: 25 });
});

function sample(logits: readonly number[], params: Partial<SamplingParams>, generated = 0) {
  const before = { ...NOTHING_BEFORE, generated: new Array<number>(generated).fill(0) };
  return sampleLogits(Float32Array.from(logits), { ...DEFAULTS, ...params }, before);
}

function idOf(logits: readonly number[], params: Partial<SamplingParams>, generated = 0): number {
  const result = sample(logits, params, generated);
  assert.ok(result.outcome === 'chosen');
  return result.id;
}

/** Every token that comes out in some draws, ascending. */
function drawn(logits: readonly number[], params: Partial<SamplingParams>): number[] {
  const ids = new Set(Array.from({ length: 300 }, (_, position) => idOf(logits, params, position)));
  return [...ids].sort((a, b) => a - b);
}

test('temperature 0 takes the largest logit, the lower id of equal ones', () => {
  assert.equal(idOf([1, 3, 3, 2], { temperature: 0 }), 1);
});

test('top_p 0 keeps the best token, top_p 1 keeps all', () => {
  assert.deepEqual(drawn([1, 2, 2, 0], { topP: 0 }), [1]);
  assert.deepEqual(drawn([1, 2, 2, 0], { topP: 1 }), [0, 1, 2, 3]);
});

test('top_k 0 keeps all, equal logits fall to the lower id', () => {
  assert.deepEqual(drawn([1, 1, 1], { topK: 0 }), [0, 1, 2]);
  assert.deepEqual(drawn([1, 1, 1], { topK: 2 }), [0, 1]);
});

test('top_p looks at what top_k left', () => {
  const logits = [Math.log(0.4), Math.log(0.3), Math.log(0.3)];
  assert.deepEqual(drawn(logits, { topP: 0.55 }), [0, 1]);
  assert.deepEqual(drawn(logits, { topK: 2, topP: 0.55 }), [0]);
});

test('min_p 1 keeps the tokens that are as likely as the best', () => {
  assert.deepEqual(drawn([3, 1, 3], { minP: 1 }), [0, 2]);
});

test('a bias of -100 bans a token and one of 100 forces it', () => {
  assert.deepEqual(drawn([5, 5, 5], { logitBias: [[1, -100]] }), [0, 2]);
  assert.deepEqual(drawn([5, 5, 5], { logitBias: [[1, 100]] }), [1]);
});

test('a bias that leaves nothing to choose is refused, greedy or not', () => {
  const never = Number.NEGATIVE_INFINITY;
  const logitBias: SamplingParams['logitBias'] = [
    [0, never],
    [1, never],
  ];
  for (const temperature of [0, 1]) {
    assert.deepEqual(sample([1, 2], { logitBias, temperature }), { outcome: 'nothing_to_choose' });
  }
});

test('finite logits stay finite under penalties, however large they are', () => {
  const params = { ...DEFAULTS, repetitionPenalty: 0.01, frequencyPenalty: -2, presencePenalty: -2, topK: 1 };
  const logits = Float32Array.of(3.4e38, -3.4e38, 1);
  const result = sampleLogits(
    logits,
    { ...params, logitBias: [[0, 100]] },
    { prompt: [0, 1], generated: [0, 1], choice: 0 },
  );
  assert.equal(result.outcome, 'chosen');
});

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
  test(`a logit that is ${value} is named, with its token`, () => {
    const expected = { outcome: 'not_finite', id: 300, value };
    const logits = new Float32Array(600);
    logits[300] = value;
    assert.deepEqual(sampleLogits(logits, DEFAULTS), expected);
    assert.deepEqual(scoreLogits(logits, 0, 1), expected);
  });
}

/** Bin of 16 for each position of a seed: the first four bits of its random numbers. */
function binsOf(draws: number, draw: (position: number) => Partial<TokenDraw>): Int32Array {
  const all = Array.from({ length: draws }, (_, row) => ({
    row,
    guesses: [],
    params: DEFAULTS,
    choice: 0,
    position: row,
    counts: new Int32Array(0),
    constraint: null,
    ...draw(row),
  }));
  const sampling = new RowSampling(draws, all, []);
  loadAddon().sampleRows(new Float32Array(16 * draws), 16, 2, sampling.raw);
  return sampling.raw.ids;
}

test('random numbers of successive positions are uniform and independent', () => {
  const draws = 32_768;
  const bins = binsOf(draws, () => ({ params: { ...DEFAULTS, seed: 7 } }));
  const pairs = new Float64Array(256);
  for (let at = 1; at < draws; at += 1) {
    const cell = (bins[at - 1] ?? 0) * 16 + (bins[at] ?? 0);
    pairs[cell] = (pairs[cell] ?? 0) + 1;
  }
  const expected = (draws - 1) / pairs.length;
  const chiSquare = pairs.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 255 degrees of freedom: 99.9 % lie below 331.
  assert.ok(chiSquare < 331, `chi-square ${chiSquare}`);
});

test('the random numbers of a seed do not change from version to version', () => {
  const numbers = [0, 1, 2].map((position) => uniform(42, 0, position));
  assert.deepEqual(numbers, [0.6129598801477738, 0.9877186516453577, 0.825866830783453]);
  const bins = binsOf(3, () => ({ params: { ...DEFAULTS, seed: 42 } }));
  assert.deepEqual(
    [...bins],
    numbers.map((number) => Math.floor(16 * number)),
  );
});

test('seed, all 64 bits of it, choice and position each change the random numbers', () => {
  const changes: readonly { seed?: number | string; choice?: number; from?: number }[] = [
    {},
    { seed: 8 },
    { seed: 7 + 2 ** 40 },
    { seed: '9007199254740993' },
    { seed: '9007199254740995' },
    { seed: '18446744073709551615' },
    { choice: 1 },
    { from: 1 },
  ];
  const drawnBy = changes.map(({ seed = 7, choice = 0, from = 0 }) =>
    binsOf(32, (row) => ({ params: { ...DEFAULTS, seed }, choice, position: from + row })).join(' '),
  );
  assert.equal(new Set(drawnBy).size, changes.length);
});

test('tokens are drawn as often as their probabilities say', () => {
  const logits = [0, 1, 2, 0.5, -1, 1.5];
  const params = { temperature: 0.8 };
  const draws = 20_000;
  const all = Array.from({ length: draws }, (_, row) => ({
    row,
    guesses: [],
    params: { ...DEFAULTS, ...params },
    choice: 0,
    position: row,
    counts: new Int32Array(0),
    constraint: null,
  }));
  const sampling = new RowSampling(draws, all, []);
  const rows = Float32Array.from({ length: draws * logits.length }, (_, at) => logits[at % logits.length] ?? 0);
  loadAddon().sampleRows(rows, logits.length, 2, sampling.raw);
  const seen = logits.map((_, id) => sampling.raw.ids.filter((each) => each === id).length);
  const weights = logits.map((logit) => Math.exp(logit / params.temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const expected = weights.map((weight) => (weight / total) * draws);
  const chiSquare = expected.reduce((sum, count, id) => sum + ((seen[id] ?? 0) - count) ** 2 / count, 0);
  // 5 degrees of freedom: 99.9 % lie below 20.5.
  assert.ok(chiSquare < 20.5, `chi-square ${chiSquare}, seen ${seen.join(' ')}`);
});

test("log-probabilities are of the model's distribution, whatever temperature, bias and truncation choose", () => {
  const params = { ...DEFAULTS, temperature: 0.1, topK: 1, logitBias: [[3, 100]] as const, logprobs: { top: 2 } };
  const result = sampleLogits(Float32Array.of(0, 0, 0, 0), params);
  assert.ok(result.outcome === 'chosen' && result.logprob !== null);
  assert.equal(result.id, 3);
  assert.ok(Math.abs(result.logprob.logprob - Math.log(1 / 4)) < 1e-12);
  assert.deepEqual(
    result.logprob.top.map(([id]) => id),
    [0, 1],
  );
});

test('a score is the log-probability of a known token', () => {
  const logits = logitsOf(700, (unit) => 20 * unit, 5);
  for (const top of [0, 1, 5]) {
    const result = scoreLogits(logits, 42, top);
    assert.ok(result.outcome === 'chosen');
    assertLogprobs(logits, 42, top, result.logprob);
  }
});

test('large logits do not overflow their log-probability', () => {
  const result = scoreLogits(Float32Array.of(3e38, 0), 0, 0);
  assert.ok(result.outcome === 'chosen');
  assert.equal(result.logprob?.logprob, 0);
});

test('more alternatives than tokens are as many as there are', () => {
  const result = scoreLogits(Float32Array.of(1, 2), 0, 5);
  assert.ok(result.outcome === 'chosen');
  assert.deepEqual(
    result.logprob?.top.map(([id]) => id),
    [1, 0],
  );
});

test('the logits given are left as they are', () => {
  const logits = Float32Array.of(1, 2, 3);
  const params = { ...DEFAULTS, logitBias: [[0, 5]] as const, repetitionPenalty: 2, topP: 0.5 };
  sampleLogits(logits, params, { prompt: [2], generated: [1], choice: 0 });
  assert.deepEqual([...logits], [1, 2, 3]);
  assert.notDeepEqual(
    [...naiveAdjust(logits, params, { prompt: [2], generated: [1], choice: 0 })],
    [1, 2, 3],
    'they would change',
  );
});
