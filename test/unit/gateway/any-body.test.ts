// Whatever a client sends: no body leads to a 5xx, also not by what a worker makes of it. The worker here samples from given
// logits with the parameters that the gateway accepted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GenerationRequest } from '../../../infra/messages/generation-request.ts';
import { CHAT, TEXT } from '../../gateway-parts/bad-requests.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../gateway-parts/scripted-worker.ts';
import { sampleLogits } from '../../sample-logits.ts';

const VOCAB = 257;
/** Plain logits, ties, and the largest floats. */
const LOGITS = [
  Float32Array.from({ length: VOCAB }, (_, id) => Math.sin(id) * 8),
  new Float32Array(VOCAB),
  Float32Array.from({ length: VOCAB }, (_, id) => (id % 2 === 0 ? 3.4e38 : -3.4e38)),
];

function answer(request: GenerationRequest) {
  const prompt = request.prompts[0] ?? [];
  const generated: number[] = [];
  for (const logits of LOGITS) {
    const result = sampleLogits(logits, request.sampling, { prompt, generated, choice: 0 });
    if (result.outcome !== 'chosen') return [failed('generation_failed', result.outcome)];
    assert.ok(result.id >= 0 && result.id < VOCAB);
    generated.push(result.id);
  }
  return [tokens('Hi', { finish: 'stop' }), finished()];
}

const extreme = fc.constantFrom(
  0,
  -0,
  1e-38,
  -1e-38,
  5e-324,
  1e-310,
  1e308,
  2 ** 53,
  -(2 ** 63),
  2 ** 64,
  1.5,
  100,
  0.01,
);
const number = fc.oneof(extreme, fc.double({ noNaN: true }), fc.double({ min: 0, max: 2, noNaN: true }), fc.integer());
const anything = fc.oneof(number, fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>);
/** Mostly in bounds: a body with many fields would otherwise hardly ever be accepted. */
const mostly = (valid: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 14, arbitrary: valid }, { weight: 1, arbitrary: anything });
const upTo = (max: number, min = 0) => mostly(fc.double({ min, max, noNaN: true }));
const biases = fc.dictionary(fc.oneof(fc.nat(300).map(String), fc.constantFrom('__proto__', 'x', '-1')), number);
const stops = fc.oneof(fc.string({ minLength: 1 }), fc.array(fc.string({ unit: 'binary' }), { maxLength: 40 }));

const sampling = fc.record(
  {
    temperature: upTo(2),
    top_p: upTo(1),
    top_k: mostly(fc.nat(300)),
    min_p: upTo(1),
    repetition_penalty: upTo(10, 0.01),
    frequency_penalty: upTo(2, -2),
    presence_penalty: upTo(2, -2),
    logit_bias: mostly(fc.dictionary(fc.nat(256).map(String), fc.double({ min: -100, max: 100, noNaN: true }))),
    seed: mostly(fc.maxSafeInteger()),
    stop: mostly(fc.string({ minLength: 1 })),
    max_tokens: mostly(fc.integer({ min: 1, max: 20 })),
    n: mostly(fc.integer({ min: 1, max: 3 })),
    user: mostly(fc.string()),
    stream_options: mostly(fc.constant({})),
    response_format: mostly(fc.constantFrom({}, { type: 'text' })),
  },
  { requiredKeys: [] },
);
const unusual = fc.record(
  { logit_bias: biases, stop: stops, logprobs: anything, top_logprobs: anything, user: fc.string({ unit: 'binary' }) },
  { requiredKeys: [] },
);
const options = fc
  .tuple(sampling, fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: unusual }))
  .map(([usual, extra]) => ({ ...usual, ...extra }));
const content = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), anything);
const role = fc.constantFrom('user', 'system', 'tool', 'assistant');
const message = fc.oneof(fc.record({ role, content }), anything);
const messages = fc.oneof(fc.array(message, { maxLength: 3 }), fc.constant([{ role: 'user', content: 'Hi' }]));
const prompt = fc.oneof(fc.constant('Hi'), fc.string(), fc.array(fc.nat(300), { maxLength: 5 }), anything);

const body = fc.oneof(
  fc
    .tuple(fc.constant(CHAT), messages, options)
    .map(([path, value, rest]) => ({ path, body: { ...rest, messages: value } })),
  fc
    .tuple(fc.constant(TEXT), prompt, options)
    .map(([path, value, rest]) => ({ path, body: { ...rest, prompt: value } })),
);

test('no body causes a 5xx', { timeout: 120_000 }, async () => {
  const gateway = await createScriptedGateway({ script: answer });
  const statuses = new Map<number, number>();
  const property = fc.asyncProperty(body, async ({ path, body: fields }) => {
    const response = await gateway.post(path, { model: 'tiny', ...fields });
    const text = await response.text();
    assert.ok(response.status < 500, text);
    if (response.status >= 400) assert.ok(JSON.parse(text).error.message.length > 0);
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
  });
  await fc.assert(property, { seed: 20_261_129, numRuns: 1500 });
  assert.ok((statuses.get(200) ?? 0) > 50 && (statuses.get(400) ?? 0) > 50, JSON.stringify([...statuses]));
});

/** One field at a time at its bounds, where a random body would fail elsewhere first. */
const AT_BOUNDS = {
  temperature: [0, 5e-324, 1e-310, 2],
  top_p: [0, 5e-324, 1],
  min_p: [0, 5e-324, 1],
  top_k: [0, 1, 1_000_000],
  repetition_penalty: [0.01, 10],
  frequency_penalty: [-2, 2],
  presence_penalty: [-2, 2],
  logit_bias: [Object.fromEntries(Array.from({ length: VOCAB }, (_, id) => [id, -100])), { 0: 100 }],
  seed: [0, -1, 2 ** 53 - 1],
};

for (const [field, values] of Object.entries(AT_BOUNDS)) {
  test(`${field} at its bounds is served`, async () => {
    const gateway = await createScriptedGateway({ script: answer });
    for (const value of values) {
      for (const temperature of [0, 1]) {
        const request = { model: 'tiny', prompt: 'Hi', temperature, [field]: value };
        const response = await gateway.post(TEXT, request);
        assert.equal(response.status, 200, `${JSON.stringify(value)}: ${await response.text()}`);
      }
    }
  });
}
