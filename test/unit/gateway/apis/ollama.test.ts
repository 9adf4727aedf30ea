// Ollama's API: what becomes of a body, and how an answer is worded. The official client is in test/integration.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScriptedGateway, type GatewayOptions } from '../../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../../gateway-parts/scripted-worker.ts';

const ASK = { model: 'tiny:latest', messages: [{ role: 'user', content: 'Hi' }] };

async function open(options: GatewayOptions = {}) {
  const gateway = await createScriptedGateway(options);
  const post = async (path: string, body: object) => {
    const response = await gateway.post(path, body);
    const lines = (await response.text()).trim().split('\n');
    return { status: response.status, lines: lines.map((line) => JSON.parse(line)), headers: response.headers };
  };
  const prompt = () => Buffer.from(gateway.worker.requests[0]?.prompts[0] ?? []).toString();
  return { gateway, post, prompt };
}

const COUNTS = { prompt_eval_count: 5, eval_count: 2 };
const TIMES = { total_duration: 0, load_duration: 0, prompt_eval_duration: 0, eval_duration: 0 };
const HEAD = { model: 'tiny:latest', created_at: '2027-01-15T08:00:00.000Z' };

test('streams a conversation as lines, unless it is told not to', async () => {
  const { post } = await open();
  const message = (content: string) => ({ message: { role: 'assistant', content } });
  const end = { done: true, done_reason: 'stop', ...TIMES, ...COUNTS };
  const { lines, headers } = await post('/api/chat', ASK);
  assert.equal(headers.get('content-type'), 'application/x-ndjson');
  assert.deepEqual(lines, [
    { ...HEAD, ...message('Hel'), done: false },
    { ...HEAD, ...message('lo'), done: false },
    { ...HEAD, ...message(''), ...end },
  ]);
  const whole = await post('/api/chat', { ...ASK, stream: false });
  assert.deepEqual(whole.lines, [{ ...HEAD, ...message('Hello'), ...end }]);
});

test('answers a prompt with its system text', async () => {
  const { post, prompt } = await open();
  const body = { model: 'tiny', prompt: 'Hi', system: 'Be brief.', stream: false, keep_alive: '5m' };
  const { lines } = await post('/api/generate', body);
  assert.equal(lines[0].response, 'Hello');
  assert.equal(prompt(), 'Be brief.\nHi');
});

test('a request that asks nothing says that the model is loaded', async () => {
  const { post, gateway } = await open();
  const { lines } = await post('/api/generate', { model: 'tiny:latest' });
  assert.deepEqual(lines, [{ ...HEAD, response: '', done: true, done_reason: 'load' }]);
  assert.equal((await post('/api/chat', { model: 'tiny' })).lines[0].done_reason, 'load');
  assert.equal(gateway.worker.requests.length, 0);
});

test('maps options to what samples', async () => {
  const { post, gateway } = await open();
  const options = {
    num_predict: 7,
    stop: ['END'],
    temperature: 0,
    top_k: 3,
    top_p: 0.5,
    min_p: 0.1,
    seed: 4,
    repeat_penalty: 1.1,
    num_ctx: 4096,
  };
  assert.equal((await post('/api/chat', { ...ASK, options })).status, 200);
  const [request] = gateway.worker.requests;
  const { temperature, topK, topP, minP, seed, repetitionPenalty } = request?.sampling ?? assert.fail('no request');
  assert.deepEqual([temperature, topK, topP, minP, seed, repetitionPenalty], [0, 3, 0.5, 0.1, 4, 1.1]);
  assert.deepEqual([request?.maxTokens, request?.stop], [7, ['END']]);
  await post('/api/chat', { ...ASK, options: { num_predict: -1 } });
  await post('/api/chat', { ...ASK, options: { num_predict: 9999 } });
  assert.deepEqual(
    gateway.worker.requests.slice(1).map(({ maxTokens }) => maxTokens),
    [62, 62],
  );
});

test('takes JSON whatever the content type says, as its examples send it', async () => {
  const { gateway } = await open();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await gateway.post('/api/chat', JSON.stringify({ ...ASK, stream: false }), headers);
  assert.equal(response.status, 200, await response.text());
});

test('lists and shows models', async () => {
  const { gateway, post } = await open();
  const read = async (path: string) => JSON.parse(await (await gateway.get(path)).text());
  const [tag] = (await read('/api/tags')).models;
  assert.deepEqual([tag.name, tag.model, tag.modified_at], ['tiny', 'tiny', '2023-11-14T22:13:20.000Z']);
  const [running] = (await read('/api/ps')).models;
  assert.deepEqual([running.name, running.digest, running.context_length], ['tiny', tag.digest, 64]);
  assert.match((await read('/api/version')).version, /^\d+\.\d+\.\d+$/);
  const { lines } = await post('/api/show', { model: 'tiny:latest' });
  assert.ok(lines[0].capabilities.includes('completion'));
});

test('an error is one text, also in mid-stream', async () => {
  const { post, gateway } = await open({
    script: () => [tokens('a'), failed('generation_failed', 'The worker gave up.')],
  });
  assert.deepEqual((await post('/api/chat', ASK)).lines.at(-1), { error: 'The worker gave up.' });
  const unknown = await gateway.get('/api/blobs/x');
  assert.deepEqual(
    [unknown.status, JSON.parse(await unknown.text())],
    [404, { error: 'Invalid URL (GET /api/blobs/x)' }],
  );
});

test('says when an answer was cut', async () => {
  const { post } = await open({ script: () => [tokens('a', { finish: 'length' }), finished()] });
  assert.equal((await post('/api/chat', { ...ASK, stream: false })).lines[0].done_reason, 'length');
});

const REFUSED: readonly [string, string, object, number, RegExp][] = [
  ['an unknown model', '/api/chat', { ...ASK, model: 'llama3' }, 404, /llama3/],
  [
    'an image',
    '/api/chat',
    { model: 'tiny', messages: [{ role: 'user', content: 'x', images: ['aGk='] }] },
    400,
    /messages\[0\]\.images/,
  ],
  ['an image of a prompt', '/api/generate', { model: 'tiny', prompt: 'x', images: ['aGk='] }, 400, /images/],
  ['another way to sample', '/api/chat', { ...ASK, options: { mirostat: 2 } }, 400, /options\.mirostat/],
  ['an option beyond its range', '/api/chat', { ...ASK, options: { temperature: 9 } }, 400, /options\.temperature/],
  ['a text without a template', '/api/generate', { model: 'tiny', prompt: 'x', raw: true }, 400, /raw/],
  ['a field that does not exist', '/api/generate', { model: 'tiny', prompt: 'x', max_tokens: 5 }, 400, /max_tokens/],
  ['no model', '/api/show', {}, 400, /model/],
];

for (const [what, path, body, status, message] of REFUSED) {
  test(`refuses ${what}`, async () => {
    const { post, gateway } = await open();
    const refusal = await post(path, body);
    assert.equal(refusal.status, status);
    assert.match(refusal.lines[0].error, message);
    assert.equal(gateway.worker.requests.length, 0);
  });
}
