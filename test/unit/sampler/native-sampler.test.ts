// The engine's sampler against the one in TypeScript that it replaces: the same tokens, refusals and alternatives for all
// parameters; log-probabilities within 1e-12. The two take e^x and ln from different sources, whose last bits may differ, and add
// weights up in different orders: tokens could differ only where a random number or a share of top_p comes within about 1e-13 of
// a boundary, which the seeds here do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SamplingParams } from '../../../infra/messages/generation-request.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { RowSampling } from '../../../native/row-sampling.ts';
import { philox4x32 } from '../../../workers/sampler/philox.ts';
import { sampleToken } from '../../../workers/sampler/sample-token.ts';
import { createSamplerScratch } from '../../../workers/sampler/sampler-scratch.ts';
import { PURPOSE } from '../../../workers/sampler/sampling-key.ts';
import { countTokens } from '../../../workers/sampler/token-counts.ts';
import { DEFAULTS } from './naive-sampler.ts';

interface Trial {
  readonly logits: Float32Array;
  readonly params: SamplingParams;
  readonly prompt: readonly number[];
  readonly generated: readonly number[];
  readonly choice: number;
}

/** What either sampler says, with what may differ in its last bits apart. */
interface Answer {
  readonly exact: unknown;
  readonly logprobs: readonly number[];
}

function existing({ logits, params, prompt, generated, choice }: Trial): Answer {
  const key = { seed: params.seed, choice, position: generated.length, purpose: PURPOSE.token };
  try {
    const counts = countTokens(prompt, generated);
    const { id, logprob } = sampleToken(logits, params, counts, key, createSamplerScratch(logits.length));
    return answer(id, logprob);
  } catch (thrown) {
    return { exact: thrown instanceof Error ? thrown.message : thrown, logprobs: [] };
  }
}

function answer(id: number, logprob: { logprob: number | null; top: readonly (readonly [number, number])[] } | null) {
  const top = logprob?.top ?? [];
  return {
    exact: { id, top: logprob === null ? null : top.map(([other]) => other) },
    logprobs: [...(logprob === null ? [] : [logprob.logprob ?? Number.NaN]), ...top.map(([, value]) => value)],
  };
}

function native({ logits, params, prompt, generated, choice }: Trial): Answer {
  const { generated: numbers } = countTokens([], generated);
  const seen = [...new Set([...prompt, ...generated])];
  const counts = Int32Array.from(seen.flatMap((id) => [id, numbers.get(id) ?? 0]));
  const draw = { row: 0, guesses: [], params, choice, position: generated.length, counts };
  const sampling = new RowSampling(1, [draw], []);
  loadAddon().sampleRows(logits, logits.length, 1, sampling.raw);
  const result = sampling.result(0);
  if (result.outcome === 'chosen') return answer(result.id, result.logprob);
  const exact =
    result.outcome === 'not_finite'
      ? `Expected finite logits, but token ${result.id} has ${result.value}`
      : 'Penalties and logit_bias leave no token to choose';
  return { exact, logprobs: [] };
}

function assertSame(trial: Trial): void {
  const [expected, found] = [existing(trial), native(trial)];
  assert.deepEqual(found.exact, expected.exact);
  for (const [at, value] of expected.logprobs.entries()) {
    const distance = Math.abs((found.logprobs[at] ?? Number.NaN) - value);
    assert.ok(distance <= 1e-12 * Math.max(1, Math.abs(value)), `${found.logprobs[at]} is not ${value}`);
  }
}

type Shape = (unit: number) => number;

/** What the logits of a row look like, from numbers that are uniform in [0, 1). */
const SHAPES: Readonly<Record<string, Shape>> = {
  'within 40 of each other': (unit) => 40 * unit,
  'close together': (unit) => unit / 100,
  'few values, many ties': (unit) => Math.floor(4 * unit) - 2,
  'all the same': () => -3,
  'a few far above the rest': (unit) => (unit > 0.999 ? 20 + 1000 * (unit - 0.999) : 8 * unit),
  'of all sizes': (unit) => (unit - 0.5) * 10 ** (76 * ((unit * 1e6) % 1) - 38),
  denormal: (unit) => (unit - 0.5) * 1e-42,
};

function logitsOf(vocab: number, shape: Shape, seed: number): Float32Array {
  return Float32Array.from({ length: vocab }, (_, id) =>
    shape((philox4x32([id, 0, 0, 0], [seed, 9])[0] ?? 0) / 2 ** 32),
  );
}

const fraction = fc.oneof(
  fc.constantFrom(0, 0.1, 0.5, 0.9, 0.95, 0.999, 1),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const penalty = fc.oneof(fc.constantFrom(0, 0.5, -2, 2), fc.double({ min: -2, max: 2, noNaN: true }));
const seed = fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String));

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
      seed,
      logprobs: fc.oneof(fc.constant(null), fc.record({ top: fc.nat(20) })),
    },
    { requiredKeys: [] },
  );
  return changes.map((changed) => ({ ...DEFAULTS, ...changed }));
}

function trials(vocab: fc.Arbitrary<number>): fc.Arbitrary<Trial> {
  return fc.tuple(vocab, fc.constantFrom(...Object.values(SHAPES)), fc.nat(2 ** 31)).chain(([size, shape, number]) =>
    fc.record({
      logits: fc.constant(logitsOf(size, shape, number)),
      params: paramsFor(size),
      prompt: fc.array(fc.nat(size + 3), { maxLength: 20 }),
      generated: fc.array(fc.nat(size + 3), { maxLength: 20 }),
      choice: fc.nat(128),
    }),
  );
}

test('small vocabularies: the same tokens, refusals and alternatives', () => {
  const vocab = fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constantFrom(255, 256, 257, 511, 512, 513, 1000));
  fc.assert(fc.property(trials(vocab), assertSame), { seed: 51, numRuns: 6000 });
});

test('logits of any bits: the same tokens and refusals', () => {
  const bits = fc.uint32Array({ minLength: 1, maxLength: 60 }).map((words) => new Float32Array(words.buffer));
  const floats = fc.float32Array({ minLength: 1, maxLength: 60 });
  const trial = fc
    .oneof(bits, floats)
    .chain((logits) =>
      trials(fc.constant(logits.length)).map((other) => ({ ...other, logits: Float32Array.from(logits) })),
    );
  fc.assert(fc.property(trial, assertSame), { seed: 52, numRuns: 6000 });
});

test('the vocabularies of real models: the same tokens and alternatives', () => {
  const vocab = fc.constantFrom(32_000, 100_352, 151_936, 201_088);
  fc.assert(fc.property(trials(vocab), assertSame), { seed: 53, numRuns: 150 });
});
