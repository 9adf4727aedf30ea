import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SamplingParams } from '../../../infra/messages/generation-request.ts';
import { sampleToken } from '../../../workers/sampler/sample-token.ts';
import { createSamplerScratch } from '../../../workers/sampler/sampler-scratch.ts';
import { PURPOSE, uniform } from '../../../workers/sampler/sampling-key.ts';
import { countTokens } from '../../../workers/sampler/token-counts.ts';
import { truncate } from '../../../workers/sampler/truncate.ts';
import { DEFAULTS, naiveAdjust, naiveCandidates, naiveDraw } from './naive-sampler.ts';

const NOTHING = countTokens([], []);
const keyAt = (position: number, seed = 1) => ({ seed, choice: 0, position, purpose: PURPOSE.token });

function sample(logits: readonly number[], params: Partial<SamplingParams>, position = 0) {
  const values = Float32Array.from(logits);
  const scratch = createSamplerScratch(values.length);
  return sampleToken(values, { ...DEFAULTS, ...params }, NOTHING, keyAt(position), scratch);
}

function keptIds(logits: readonly number[], params: Partial<SamplingParams>): number[] {
  const scratch = { ...createSamplerScratch(logits.length), logits: Float32Array.from(logits) };
  const count = truncate(scratch, { ...DEFAULTS, ...params }, Math.max(...logits));
  return [...scratch.ids.subarray(0, count)].sort((a, b) => a - b);
}

const logitList = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 80 });
const truncation = fc.record({
  temperature: fc.constantFrom(0.01, 0.3, 0.7, 1, 1.5, 5),
  topK: fc.constantFrom(0, 1, 2, 5, 40, 1000),
  topP: fc.constantFrom(0, 0.1, 0.5, 0.9, 0.95, 1),
  minP: fc.constantFrom(0, 0.01, 0.1, 0.5, 1),
});
const penalties = fc.record({
  repetitionPenalty: fc.constantFrom(1, 1.2),
  frequencyPenalty: fc.constantFrom(0, 0.5),
  presencePenalty: fc.constantFrom(0, -0.5),
});

test('temperature 0 takes the largest logit, the lower id of equal ones', () => {
  assert.equal(sample([1, 3, 3, 2], { temperature: 0 }).id, 1);
});

test('the fast path draws what sorting and cutting draws', () => {
  const scratches = Array.from({ length: 81 }, (_, vocab) => createSamplerScratch(vocab));
  const history = fc.array(fc.nat(90), { maxLength: 10 });
  fc.assert(
    fc.property(logitList, truncation, penalties, history, fc.nat(), (list, cut, penalty, ids, position) => {
      const [logits, params] = [Float32Array.from(list), { ...DEFAULTS, ...cut, ...penalty }];
      const counts = countTokens(ids.slice(0, 4), ids.slice(4));
      const scratch = scratches[list.length] ?? createSamplerScratch(list.length);
      const { id } = sampleToken(logits, params, counts, keyAt(position), scratch);
      assert.equal(id, naiveDraw(naiveAdjust(logits, params, counts), params, uniform(keyAt(position))));
    }),
    { seed: 21, numRuns: 3000 },
  );
});

test('the tokens kept are those of the sorted definition', () => {
  fc.assert(
    fc.property(logitList, truncation, (list, cut) => {
      const kept = naiveCandidates(Float32Array.from(list), { ...DEFAULTS, ...cut }).map(({ id }) => id);
      assert.deepEqual(
        keptIds(list.map(Math.fround), cut),
        kept.sort((a, b) => a - b),
      );
    }),
    { seed: 22, numRuns: 2000 },
  );
});

test('a looser top_k, top_p or min_p never loses a token', () => {
  const pair = (a: number, b: number) => [Math.min(a, b), Math.max(a, b)] as const;
  const fraction = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      logitList,
      fraction,
      fraction,
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 90 }),
      (list, a, b, k, l) => {
        const [low, high] = pair(a, b);
        const [few, many] = pair(k, l);
        const within = (tight: Partial<SamplingParams>, loose: Partial<SamplingParams>) => {
          const wide = new Set(keptIds(list, loose));
          assert.ok(keptIds(list, tight).every((id) => wide.has(id)));
        };
        within({ topP: low }, { topP: high });
        within({ minP: high }, { minP: low });
        within({ topK: few }, { topK: many });
      },
    ),
    { seed: 23, numRuns: 500 },
  );
});

test('tokens are drawn as often as their probabilities say', () => {
  const logits = [0, 1, 2, 0.5, -1, 1.5];
  const params = { temperature: 0.8 };
  const draws = 20_000;
  const seen = logits.map(() => 0);
  for (let position = 0; position < draws; position += 1) {
    const { id } = sample(logits, params, position);
    seen[id] = (seen[id] ?? 0) + 1;
  }
  const weights = logits.map((logit) => Math.exp(logit / params.temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const expected = weights.map((weight) => (weight / total) * draws);
  const chiSquare = expected.reduce((sum, count, id) => sum + ((seen[id] ?? 0) - count) ** 2 / count, 0);
  // 5 degrees of freedom: 99.9 % lie below 20.5.
  assert.ok(chiSquare < 20.5, `chi-square ${chiSquare}, seen ${seen.join(' ')}`);
});

test('top_p 0 keeps the best token, top_p 1 keeps all', () => {
  assert.deepEqual(keptIds([1, 2, 2, 0], { topP: 0 }), [1]);
  assert.deepEqual(keptIds([1, 2, 2, 0], { topP: 1 }), [0, 1, 2, 3]);
});

test('top_k 0 keeps all, equal logits fall to the lower id', () => {
  assert.deepEqual(keptIds([1, 1, 1], { topK: 0 }), [0, 1, 2]);
  assert.deepEqual(keptIds([1, 1, 1], { topK: 2 }), [0, 1]);
});

test('top_p looks at what top_k left', () => {
  const logits = [Math.log(0.4), Math.log(0.3), Math.log(0.3)];
  assert.deepEqual(keptIds(logits, { topP: 0.55 }), [0, 1]);
  assert.deepEqual(keptIds(logits, { topK: 2, topP: 0.55 }), [0]);
});

test('min_p 1 keeps the tokens that are as likely as the best', () => {
  assert.deepEqual(keptIds([3, 1, 3], { minP: 1 }), [0, 2]);
});

test('a bias of -100 bans a token and one of 100 forces it', () => {
  const drawn = (params: Partial<SamplingParams>) =>
    new Set(Array.from({ length: 300 }, (_, position) => sample([5, 5, 5], params, position).id));
  assert.deepEqual([...drawn({ logitBias: [[1, -100]] })].sort(), [0, 2]);
  assert.deepEqual([...drawn({ logitBias: [[1, 100]] })], [1]);
});

test('a choice is the same on a new worker, and differs by position, choice and seed', () => {
  const logits = Array.from({ length: 1000 }, (_, id) => Math.sin(id));
  const draw = (key: Parameters<typeof sampleToken>[3]) =>
    sampleToken(Float32Array.from(logits), DEFAULTS, NOTHING, key, createSamplerScratch(1000)).id;
  const keys = [keyAt(0), keyAt(1), keyAt(0, 2), { ...keyAt(0), choice: 1 }];
  assert.deepEqual(keys.map(draw), keys.map(draw));
  assert.equal(new Set(keys.map(draw)).size, keys.length);
});

test('the logits given are left as they are', () => {
  const logits = Float32Array.of(1, 2, 3);
  const params = { ...DEFAULTS, logitBias: [[0, 5]] as const, repetitionPenalty: 2, topP: 0.5 };
  sampleToken(logits, params, countTokens([2], [1]), keyAt(0), createSamplerScratch(3));
  assert.deepEqual([...logits], [1, 2, 3]);
});

for (const [logit, text] of [
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
] as const) {
  test(`refuses a logit that is ${text}`, () => {
    assert.throws(() => sample([0, logit, 0], {}), {
      code: 'generation_failed',
      message: `Expected finite logits, but token 1 has ${text}`,
    });
  });
}

test('refuses logits of no token', () => {
  assert.throws(() => sample([], {}), {
    code: 'generation_failed',
    message: 'Expected logits, but the model gave none',
  });
});

test('refuses a bias that leaves nothing to choose', () => {
  const never = Number.NEGATIVE_INFINITY;
  const logitBias: SamplingParams['logitBias'] = [
    [0, never],
    [1, never],
  ];
  for (const temperature of [0, 1]) {
    assert.throws(() => sample([1, 2], { logitBias, temperature }), {
      code: 'generation_failed',
      message: 'Penalties and logit_bias leave no token to choose',
    });
  }
});
