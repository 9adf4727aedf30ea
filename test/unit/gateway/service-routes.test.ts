// Health, metrics, the API's description, repeated requests, and what reaches the queue and the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { scriptError } from '../../../infra/redis/script-errors.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../gateway-parts/scripted-worker.ts';

const CHAT = '/v1/chat/completions';
type ErrorShape = { error: { message: string; type: string; code: string; param: string | null } };

test('/readyz says why not', async () => {
  const gateway = await createScriptedGateway();
  assert.deepEqual(await (await gateway.get('/readyz')).json(), { status: 'ready' });
  Object.assign(gateway.parts, { unreadyReasons: async () => ['No worker serves a model.'] });
  const response = await gateway.get('/readyz');
  assert.deepEqual(
    [response.status, await response.json()],
    [503, { status: 'not ready', reasons: ['No worker serves a model.'] }],
  );
});

test('/metrics counts tokens by tenant and model, and times', async () => {
  const gateway = await createScriptedGateway({ script: () => undefined });
  const answer = gateway.post(CHAT, chatBody());
  while (gateway.worker.requests[0] === undefined) await new Promise(setImmediate);
  const { id } = gateway.worker.requests[0];
  gateway.worker.write(id, tokens('a'));
  await new Promise(setImmediate);
  // Two that come together, and the end with them.
  gateway.worker.write(id, tokens('b'), tokens('c', { finish: 'stop' }), finished());
  await answer;
  const metrics = await gateway.get('/metrics', {
    authorization: `Bearer ${await gateway.newKey('ops', ['admin:read'])}`,
  });
  const text = await metrics.text();
  assert.match(text, /conclave_tokens_total\{kind="completion",tenant="acme",model="tiny"\} 2/);
  assert.match(text, /conclave_first_token_seconds_count\{model="tiny"\} 1/);
  await gateway.get('/readyz');
  assert.match((await gateway.parts.metrics.render()).text, /request_seconds_count\{route="\/readyz",status="200"\} 1/);
  assert.match(text, /conclave_inter_token_seconds_count\{model="tiny"\} 1/);
  assert.match(text, /nodejs_eventloop_lag_seconds \S+/);
  assert.doesNotMatch(text, /nodejs_eventloop_lag_p99/, 'the event loop is not sampled');
  assert.match(text, /conclave_http_request_seconds_count\{route="\/v1\/chat\/completions",status="200"\} 1/);
});

test('models have the shape that clients expect', async () => {
  const gateway = await createScriptedGateway();
  const tiny = { id: 'tiny', object: 'model', created: 1_700_000_000, owned_by: 'conclave', context_length: 64 };
  assert.deepEqual(await (await gateway.get('/v1/models')).json(), { object: 'list', data: [tiny] });
  assert.deepEqual(await (await gateway.get('/v1/models/tiny')).json(), tiny);
  const unknown = await gateway.get('/v1/models/org/none');
  assert.deepEqual([unknown.status, ((await unknown.json()) as ErrorShape).error.code], [404, 'model_not_found']);
});

test('every field reaches the queue as the request that workers read', async () => {
  const gateway = await createScriptedGateway();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const body = {
    temperature: 0.5,
    top_p: 0.9,
    top_k: 40,
    min_p: 0.1,
    repetition_penalty: 1.1,
    frequency_penalty: 0.2,
    presence_penalty: -0.2,
    logit_bias: { 5: -100 },
    seed: -1,
    stop: ['a', 'b'],
    max_completion_tokens: 7,
    n: 2,
    logprobs: true,
    top_logprobs: 3,
    user: 'ada',
  };
  const response = await gateway.post(CHAT, chatBody(body), { traceparent, 'conclave-resume': '60' });
  assert.equal(response.status, 200);
  assert.deepEqual(gateway.worker.requests[0], {
    id: response.headers.get('conclave-id'),
    model: 'tiny',
    tenant: 'acme',
    prompts: [[72, 105]],
    maxTokens: 7,
    echo: false,
    choices: 2,
    sampling: {
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      minP: 0.1,
      frequencyPenalty: 0.2,
      presencePenalty: -0.2,
      repetitionPenalty: 1.1,
      logitBias: [[5, -100]],
      seed: '18446744073709551615',
      logprobs: { top: 3 },
    },
    constraint: null,
    stop: ['a', 'b'],
    stopTokens: [256],
    createdAtMs: 1_800_000_000_000,
    resumeSeconds: 60,
    traceparent,
  });
  assert.ok(Object.isFrozen(gateway.worker.requests[0]));
});

test('by default a chat may fill the context, a completion has 16 tokens, and the seed is drawn once', async () => {
  const gateway = await createScriptedGateway();
  await gateway.post(CHAT, chatBody({ max_tokens: null }), { traceparent: 'garbage' });
  await gateway.post('/v1/completions', { model: 'tiny', prompt: [1, 2, 3], stop: 'x' });
  const [chat, text] = gateway.worker.requests;
  assert.deepEqual([chat?.maxTokens, text?.maxTokens, text?.prompts, text?.stop], [62, 16, [[1, 2, 3]], ['x']]);
  assert.ok(Number.isSafeInteger(chat?.sampling.seed) && chat?.sampling.seed !== text?.sampling.seed);
  assert.equal(chat?.traceparent, '');
});

test('the same Idempotency-Key answers from the first request; another body is a conflict', async () => {
  const gateway = await createScriptedGateway();
  const headers = { 'idempotency-key': 'order-7' };
  const first = await gateway.post(CHAT, chatBody(), headers);
  gateway.time.nowMs += 60_000;
  const again = await gateway.post(CHAT, chatBody(), headers);
  assert.deepEqual(await again.json(), await first.json());
  assert.equal(again.headers.get('conclave-repeated'), 'true');
  assert.equal(gateway.worker.requests.length, 1);
  const other = await gateway.post(CHAT, chatBody({ n: 2 }), headers);
  assert.deepEqual([other.status, ((await other.json()) as ErrorShape).error.code], [409, 'conflict']);
});

test("a tenant's weight reaches the dispatcher when it is new or changed, and not with every request", async () => {
  const gateway = await createScriptedGateway();
  const ask = () => gateway.post(CHAT, chatBody());
  await ask();
  await ask();
  await gateway.parts.tenants.set('acme', { weight: 3 }, 0);
  await ask();
  await ask();
  assert.deepEqual(gateway.controlled, ['weight tiny@acme 1', 'weight tiny@acme 3']);
});

test('a full queue is a 429 that says when to come back', async () => {
  const gateway = await createScriptedGateway();
  const full = new DomainError('queue_full', 'Too many requests are waiting.', { retryAfterSeconds: 2.3 });
  Object.assign(gateway.parts.queue, { enqueue: () => Promise.reject(full) });
  const response = await gateway.post(CHAT, chatBody());
  assert.deepEqual([response.status, response.headers.get('retry-after')], [429, '3']);
  assert.deepEqual(await response.json(), {
    error: { message: 'Too many requests are waiting.', type: 'rate_limit_error', param: null, code: 'queue_full' },
  });
});

test('a queue that is drained is a 503 that says when to come back', async () => {
  const gateway = await createScriptedGateway();
  Object.assign(gateway.parts.queue, { enqueue: () => Promise.reject(scriptError(-4)) });
  const response = await gateway.post(CHAT, chatBody());
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '5']);
});

test("a client's name for its request is kept in the log beside ours, if it fits there", async () => {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const gateway = await createScriptedGateway({ log });
  const logged = async (headers: Record<string, string>) => {
    const own = (await gateway.get('/v1/models', headers)).headers.get('x-request-id') ?? '';
    assert.match(own, /^req_/);
    return JSON.parse(lines.find((line) => line.includes(own)) ?? '').clientRequestId;
  };
  assert.equal(await logged({ 'x-request-id': 'abc/7' }), 'abc/7');
  assert.equal(await logged({ 'x-request-id': 'proxy', 'x-client-request-id': 'client' }), 'client');
  for (const unfit of ['', 'a b', 'x'.repeat(513), 'ä'])
    assert.equal(await logged({ 'x-request-id': unfit }), undefined);
  assert.equal(await logged({}), undefined);
});

test('a generation that fails is a 500 without partial text', async () => {
  const gateway = await createScriptedGateway({
    script: () => [tokens('half'), failed('generation_failed', 'The worker gave up.')],
  });
  const response = await gateway.post(CHAT, chatBody());
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), {
    error: { message: 'The worker gave up.', type: 'server_error', param: null, code: 'generation_failed' },
  });
});

test('an unexpected error tells the client nothing and the log everything', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const gateway = await createScriptedGateway({ log });
  Object.assign(gateway.parts.queue, { enqueue: () => Promise.reject(new Error('redis://:hunter2@db')) });
  const response = await gateway.post(CHAT, chatBody());
  assert.equal(response.status, 500);
  assert.ok(!(await response.text()).includes('hunter2'));
  assert.ok(
    lines.some((line) => line.includes('hunter2') && line.includes(response.headers.get('x-request-id') ?? '')),
  );
});

test('no log line holds prompt, completion or key', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const gateway = await createScriptedGateway({
    log,
    script: () => [tokens('secretanswer', { finish: 'stop' }), failed('internal', 'x')],
  });
  await (
    await gateway.post(CHAT, chatBody({ messages: [{ role: 'user', content: 'secretprompt' }], stream: true }))
  ).text();
  await gateway.post(CHAT, '{"messages": secretprompt');
  const all = lines.join('');
  assert.ok(lines.length >= 3);
  for (const secret of ['secretanswer', 'secretprompt', gateway.key]) assert.ok(!all.includes(secret), secret);
});
