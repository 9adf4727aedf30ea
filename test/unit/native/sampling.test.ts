// Sampling as the addon takes it: every kind of step samples what it would write, and no argument does worse than a coded error.
// What is sampled is the business of test/unit/sampler and test/native/sampler-test.cc.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GREEDY } from '../../../infra/messages/generation-request.ts';
import type { AddonModelSession, AddonSampling } from '../../../native/addon-types.ts';
import { RowSampling, type TokenDraw } from '../../../native/row-sampling.ts';
import { addon, readySession, SIZES } from './zero-model.ts';

const DRAW: TokenDraw = {
  row: 0,
  guesses: [],
  params: { ...GREEDY, temperature: 1, seed: 3, logitBias: [[1, 2]], logprobs: { top: 2 } },
  choice: 0,
  position: 0,
  counts: Int32Array.of(2, 1),
  constraint: null,
};

/** One row of the model of zeros, whose logits are zeros. */
function step(session: AddonModelSession, output: Float32Array | AddonSampling): Promise<void> {
  const one = new Int32Array(1);
  return session.step(one, one, one, one, 1, one, output);
}

test('a step samples the logits that it would write', async () => {
  const session = readySession();
  for (let position = 0; position < 40; position += 1) {
    const draw = { ...DRAW, position };
    const [inside, outside] = [new RowSampling(1, [draw], []), new RowSampling(1, [draw], [])];
    const logits = new Float32Array(SIZES.vocab);
    await step(session, logits);
    addon.sampleRows(logits, SIZES.vocab, 1, outside.raw);
    await step(session, inside.raw);
    assert.deepEqual(inside.result(0), outside.result(0));
    assert.equal(inside.result(0).outcome, 'chosen');
  }
  await session.close();
});

test('a step that nothing is wanted of samples nothing', async () => {
  const session = readySession();
  const sampling = new RowSampling(1, [], []);
  await step(session, sampling.raw);
  assert.deepEqual(sampling.result(0), { outcome: 'skipped' });
  const none = new Int32Array(0);
  const one = new Int32Array(1);
  await session.step(one, one, one, one, 1, none, new RowSampling(0, [], []).raw);
  await session.close();
});

const FAULTS: readonly (readonly [string, (raw: AddonSampling) => Partial<AddonSampling>, RegExp])[] = [
  ['rows', () => new RowSampling(2, [DRAW], []).raw, /must be of 1 rows but is of 2/],
  ['draws', ({ draws }) => ({ draws: draws.subarray(1) }), /draws is too short/],
  ['numbers', ({ numbers }) => ({ numbers: numbers.subarray(1) }), /numbers is too short/],
  ['more numbers', () => ({ numbers: new Float64Array(7) }), /numbers is too long/],
  ['counts', ({ counts }) => ({ counts: counts.subarray(1) }), /counts is too short/],
  ['bias ids', () => ({ biasIds: new Int32Array(0) }), /biasIds is too short/],
  ['biases', () => ({ biases: new Float64Array(2) }), /biases is too long/],
  ['scores', () => ({ scores: new Int32Array(4) }), /scores is too short|sampled twice/],
  ['outcomes', () => ({ outcomes: new Int32Array(0) }), /outcomes must have 1 elements but has 0/],
  ['log-probabilities', () => ({ logprobs: new Float64Array(0) }), /logprobs must have 1/],
  ['alternatives', () => ({ topIds: new Int32Array(1) }), /topLogprobs must be -1 to 1 but is 2/],
  ['their log-probabilities', () => ({ topLogprobs: new Float64Array(1) }), /topLogprobs must have 2/],
  [
    'constraints',
    () => ({ constraints: [{}] as unknown as AddonSampling['constraints'] }),
    /constraints must be of Constraint/,
  ],
  ['constraint', ({ draws }) => ({ draws: draws.with(11, 0) }), /no such constraint/],
  ['a token', () => ({ scores: Int32Array.of(0, 5, 0), draws: new Int32Array(0) }), /too long|token 5/],
];

for (const [name, change, message] of FAULTS) {
  test(`sampling whose ${name} do not fit is refused, and the session goes on`, async () => {
    const session = readySession();
    const { raw } = new RowSampling(1, [DRAW], []);
    const refused = () => void step(session, { ...raw, ...change(raw) });
    assert.throws(refused, (thrown) => message.test(String(thrown)) && 'code' in Object(thrown));
    await step(session, raw);
    await session.close();
  });
}

test('whatever stands where sampling is expected is refused with a code', async () => {
  const session = readySession();
  const { raw } = new RowSampling(1, [DRAW], []);
  const property = fc.property(fc.constantFrom(...Object.keys(raw)), fc.anything(), (name, value) => {
    // No draw refers to one.
    fc.pre(!(name === 'constraints' && Array.isArray(value) && value.length === 0));
    const call = () => void step(session, { ...raw, [name]: value } as unknown as AddonSampling);
    assert.throws(call, { code: 'invalid_argument' });
  });
  fc.assert(property, { seed: 61, numRuns: 300 });
  fc.assert(
    fc.property(fc.anything(), (value) => {
      assert.throws(() => void step(session, value as AddonSampling), { code: 'invalid_argument' });
    }),
    { seed: 62, numRuns: 200 },
  );
  await session.close();
});

test('a property that closes the session while it is read ends with a code', async () => {
  const session = readySession();
  let closed: Promise<void> | undefined;
  const raw = {
    ...new RowSampling(1, [DRAW], []).raw,
    get ids() {
      closed = session.close();
      return new Int32Array(1);
    },
  };
  assert.throws(() => void step(session, raw), { code: 'closed' });
  await closed;
});
