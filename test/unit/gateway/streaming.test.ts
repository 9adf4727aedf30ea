// Event streams: chunk shapes, ids, resuming, leaving, keep-alive, and failures that must never look like a finished answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRequestId } from '../../../gateway/request/request-id.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../gateway-parts/scripted-worker.ts';

const CHAT = '/v1/chat/completions';

interface SseEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
}

function parseEvents(text: string): SseEvent[] {
  const blocks = text.split('\n\n').filter((block) => block !== '' && !block.startsWith(':'));
  return blocks.map((block) => Object.fromEntries(block.split('\n').map((line) => splitField(line))));
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(': ');
  return [line.slice(0, colon), line.slice(colon + 2)];
}

interface ChunkTail {
  readonly id: string | undefined;
  readonly done?: true;
  readonly choices?: { index: number; delta: { role?: string; content?: string }; finish_reason: string | null }[];
  readonly usage?: object | null;
}

const withoutHead = (event: SseEvent): ChunkTail => {
  if (event.data === '[DONE]') return { id: event.id, done: true };
  const { choices, usage } = JSON.parse(event.data ?? '');
  return { id: event.id, choices, ...(usage !== undefined && { usage }) };
};

test('a chat stream starts with the role, carries ids and ends with [DONE]', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.match(response.headers.get('x-request-id') ?? '', /^req_[0-9a-f]{24}$/);
  assert.match(response.headers.get('openai-processing-ms') ?? '', /^\d+$/);
  const events = parseEvents(await response.text());
  const id = response.headers.get('conclave-id');
  assert.deepEqual(JSON.parse(events[0]?.data ?? ''), {
    id,
    object: 'chat.completion.chunk',
    created: 1_800_000_000,
    model: 'tiny',
    system_fingerprint: null,
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
  });
  assert.deepEqual(events.slice(1).map(withoutHead), [
    { id: '1', choices: [{ index: 0, delta: { content: 'Hel' }, logprobs: null, finish_reason: null }] },
    { id: '2', choices: [{ index: 0, delta: { content: 'lo' }, logprobs: null, finish_reason: 'stop' }] },
    { id: '3', done: true },
  ]);
});

test('include_usage adds a usage chunk, and null to the others', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.post(CHAT, chatBody({ stream: true, stream_options: { include_usage: true } }));
  const events = parseEvents(await response.text()).map(withoutHead);
  assert.deepEqual(events.at(-2), {
    id: undefined,
    choices: [],
    usage: {
      prompt_tokens: 5,
      completion_tokens: 2,
      total_tokens: 7,
      prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  });
  assert.ok(events.slice(0, -2).every((event) => event.usage === null));
});

test('a text stream carries text and offsets of its tokens', async () => {
  const logprobs = (id: number, offset: number) => [{ id, logprob: -0.5, top: [[0xe2, -Infinity] as const], offset }];
  const script = () => [
    tokens('a', { logprobs: logprobs(97, 0) }),
    tokens('b', { logprobs: logprobs(98, 1), finish: 'length' }),
    finished(),
  ];
  const gateway = await createScriptedGateway({ script });
  const response = await gateway.post('/v1/completions', { model: 'tiny', prompt: 'x', stream: true, logprobs: 1 });
  const events = parseEvents(await response.text()).map(withoutHead);
  const shape = (token: string, at: number) => ({
    tokens: [token],
    token_logprobs: [-0.5],
    top_logprobs: [{ 'bytes:\\xe2': -9999, [token]: -0.5 }],
    text_offset: [at],
  });
  assert.deepEqual(events, [
    { id: '1', choices: [{ text: 'a', index: 0, logprobs: shape('a', 0), finish_reason: null }] },
    { id: '2', choices: [{ text: 'b', index: 0, logprobs: shape('b', 1), finish_reason: 'length' }] },
    { id: '3', done: true },
  ]);
});

test('choices interleave, each with its own role chunk', async () => {
  const script = () => [
    tokens('a0'),
    tokens('b0', { choice: 1 }),
    tokens('a1', { finish: 'stop' }),
    tokens('', { choice: 1, finish: 'length' }),
    finished(),
  ];
  const gateway = await createScriptedGateway({ script });
  const response = await gateway.post(CHAT, chatBody({ stream: true, n: 2 }));
  const choices = parseEvents(await response.text())
    .map(withoutHead)
    .flatMap((event) => event.choices ?? []);
  assert.deepEqual(
    choices.map(({ index, delta, finish_reason }) => [index, delta.role ?? delta.content, finish_reason]),
    [
      [0, 'assistant', null],
      [0, 'a0', null],
      [1, 'assistant', null],
      [1, 'b0', null],
      [0, 'a1', 'stop'],
      [1, undefined, 'length'],
    ],
  );
});

test('text that is held back makes no event, and its id waits for the text', async () => {
  const gateway = await createScriptedGateway({
    script: () => [tokens('a'), tokens(''), tokens('bc', { finish: 'stop' }), finished()],
  });
  const events = parseEvents(await (await gateway.post(CHAT, chatBody({ stream: true }))).text());
  assert.deepEqual(
    events.map((event) => event.id),
    [undefined, '1', '3', '4'],
  );
});

for (const cut of [0, 1, 2, 3, 4, 5]) {
  test(`a client that has seen ${cut} entries gets exactly the rest`, async () => {
    const script = () => [
      tokens('a0'),
      tokens('b0', { choice: 1 }),
      tokens('a1', { finish: 'stop' }),
      tokens('b1', { choice: 1, finish: 'stop' }),
      finished(),
    ];
    const gateway = await createScriptedGateway({ script });
    const body = chatBody({ stream: true, n: 2, stream_options: { include_usage: true } });
    const whole = await gateway.post(CHAT, body);
    const id = whole.headers.get('conclave-id');
    const events = parseEvents(await whole.text());
    const seen = events.findLastIndex((event) => event.id === String(cut));
    const headers = cut === 0 ? {} : { 'last-event-id': String(cut) };
    const rest = await gateway.get(`/v1/streams/${id}?include_usage=true`, headers);
    assert.equal(rest.status, 200);
    const expected = cut === 5 ? events.slice(-1) : events.slice(seen + 1);
    assert.deepEqual(parseEvents(await rest.text()), expected);
  });
}

test("another tenant's stream does not exist, for reading or cancelling", async () => {
  const gateway = await createScriptedGateway();
  const id = (await gateway.post(CHAT, chatBody({ stream: true }))).headers.get('conclave-id');
  const other = { authorization: `Bearer ${await gateway.newKey('rival', ['chat', 'admin:read'])}` };
  const notFound = {
    error: {
      message: 'No stream has this id, or it has expired.',
      type: 'invalid_request_error',
      param: 'id',
      code: 'not_found',
    },
  };
  for (const path of [`/v1/streams/${id}`, '/v1/streams/chatcmpl-unknown']) {
    const read = await gateway.get(path, other);
    assert.deepEqual([read.status, await read.json()], [404, notFound]);
    const cancel = await gateway.send('DELETE', path, undefined, other);
    assert.deepEqual([cancel.status, await cancel.json()], [404, notFound]);
  }
  assert.deepEqual(gateway.worker.cancelled, []);
});

test('its owner cancels a stream', async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('a')] });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  const id = response.headers.get('conclave-id') ?? '';
  const answer = await gateway.send('DELETE', `/v1/streams/${id}`);
  assert.deepEqual(await answer.json(), { id, object: 'stream.cancellation', cancelled: true });
  assert.deepEqual(gateway.worker.cancelled, [id]);
  gateway.worker.write(id, { ...finished(), outcome: 'cancelled' });
  const last = parseEvents(await response.text()).at(-1);
  const error = {
    message: 'The request was cancelled.',
    type: 'invalid_request_error',
    param: null,
    code: 'cancelled',
  };
  assert.deepEqual([last?.event, JSON.parse(last?.data ?? '')], ['error', { error }]);
});

test('a Last-Event-ID of another form, or beyond the end, is refused', async () => {
  const gateway = await createScriptedGateway();
  const id = (await gateway.post(CHAT, chatBody({ stream: true }))).headers.get('conclave-id');
  const beyond = (text: string) =>
    `expected at most 3, the id of the last event of this stream, but received '${text}'`;
  const malformed = (text: string) => `expected the id of an event of this stream but received '${text}'`;
  const cases = {
    x: malformed('x'),
    '-1': malformed('-1'),
    '1.5': malformed('1.5'),
    4: beyond('4'),
    999: beyond('999'),
  };
  for (const [text, what] of Object.entries(cases)) {
    const error = {
      message: `Invalid 'Last-Event-ID': ${what}.`,
      type: 'invalid_request_error',
      param: 'Last-Event-ID',
      code: 'invalid_request',
    };
    const byHeader = await gateway.get(`/v1/streams/${id}`, { 'last-event-id': text });
    assert.deepEqual([byHeader.status, await byHeader.json()], [400, { error }]);
    const byQuery = await gateway.get(`/v1/streams/${id}?last_event_id=${text}`);
    assert.deepEqual([byQuery.status, await byQuery.json()], [400, { error }]);
  }
  const both = await gateway.get(`/v1/streams/${id}?last_event_id=x`, { 'last-event-id': '3' });
  assert.deepEqual(parseEvents(await both.text()), [{ id: '3', data: '[DONE]' }]);
});

test('a stream that ends before its Last-Event-ID ends with an error event', async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('a')] });
  const id = (await gateway.post(CHAT, chatBody({ stream: true }))).headers.get('conclave-id') ?? '';
  const response = await gateway.get(`/v1/streams/${id}`, { 'last-event-id': '9' });
  assert.equal(response.status, 200, 'it may get there');
  gateway.worker.write(id, tokens('b', { finish: 'stop' }), finished());
  const [event, ...more] = parseEvents(await response.text());
  assert.deepEqual(more, []);
  assert.equal(event?.event, 'error');
  assert.match(event?.data ?? '', /expected at most 3, the id of the last event of this stream, but received '9'/);
});

test('the query of a stream takes both spellings of a truth value and nothing else', async () => {
  const gateway = await createScriptedGateway();
  const id = (await gateway.post(CHAT, chatBody({ stream: true }))).headers.get('conclave-id');
  for (const [value, wanted] of Object.entries({ true: true, 1: true, false: false, 0: false })) {
    const text = await (await gateway.get(`/v1/streams/${id}?include_usage=${value}`)).text();
    assert.equal(text.includes('"total_tokens"'), wanted, value);
  }
  const refused = {
    'include_usage=yes': 'include_usage',
    'include_usage=': 'include_usage',
    'include_usage=1&include_usage=1': 'include_usage',
    'usage=1': 'usage',
  };
  for (const [query, param] of Object.entries(refused)) {
    const response = await gateway.get(`/v1/streams/${id}?${query}`);
    const { error } = (await response.json()) as { error: { param: string; code: string } };
    assert.deepEqual([response.status, error.param, error.code], [400, param, 'invalid_request'], query);
  }
});

test('a failed generation ends with an error event and no [DONE]', async () => {
  const gateway = await createScriptedGateway({
    script: () => [tokens('a'), failed('native_error', 'secret path /x')],
  });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  const events = parseEvents(await response.text());
  assert.deepEqual(events.at(-1), {
    id: '2',
    event: 'error',
    data: JSON.stringify({
      error: { message: 'An internal error occurred.', type: 'server_error', param: null, code: 'native_error' },
    }),
  });
  assert.ok(events.every((event) => event.data !== '[DONE]'));
});

test('losing Redis in mid-stream ends with an error event', async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('a')] });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  gateway.worker.takeRedisAway();
  const last = parseEvents(await response.text()).at(-1);
  const error = { message: 'The database cannot be reached.', type: 'server_error', param: null, code: 'unavailable' };
  assert.deepEqual(last, { event: 'error', data: JSON.stringify({ error }) });
});

test('a reader that leaves stops being followed', async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('a')] });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  await new Promise(setImmediate);
  assert.deepEqual(gateway.worker.left, [response.headers.get('conclave-id')]);
});

test('a client that hangs up before a JSON answer stops being followed', async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('a')] });
  const hangUp = new AbortController();
  const answer = gateway.app.request(CHAT, {
    method: 'POST',
    body: JSON.stringify(chatBody()),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.key}` },
    signal: hangUp.signal,
  });
  while (gateway.worker.requests.length === 0) await new Promise(setImmediate);
  hangUp.abort();
  assert.equal((await answer).status, 499);
  assert.equal(gateway.worker.left.length, 1);
});

test('a waiting client is told its place in the queue', async () => {
  const gateway = await createScriptedGateway({
    script: () => undefined,
    config: { stream: { keepAliveSeconds: 0.01 } },
  });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  const reader = response.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  assert.equal(Buffer.from(value ?? []).toString(), ': queued position=3 estimated_wait_seconds=5\n\n');
  await reader?.cancel();
});

test('an answer that takes too long ends with a timeout, streaming or not', async () => {
  const gateway = await createScriptedGateway({
    script: () => [tokens('a')],
    config: { limits: { answerSeconds: 0.02 } },
  });
  const stream = await gateway.post(CHAT, chatBody({ stream: true }));
  assert.equal(JSON.parse(parseEvents(await stream.text()).at(-1)?.data ?? '').error.code, 'timeout');
  const json = await gateway.post(CHAT, chatBody());
  assert.deepEqual([json.status, ((await json.json()) as { error: { code: string } }).error.code], [504, 'timeout']);
});

test('a reader that is slow makes the gateway hold back, and loses nothing', async () => {
  const long = 'x'.repeat(10_000);
  const script = () => [
    ...Array.from({ length: 50 }, (_, at) => tokens(`${at}${long}`)),
    tokens('', { finish: 'stop' }),
    finished(),
  ];
  const gateway = await createScriptedGateway({ script });
  let taken = 0;
  const follow = gateway.parts.streams.follow;
  Object.assign(gateway.parts.streams, {
    follow: async function* (...args: Parameters<typeof follow>) {
      for await (const entry of follow(...args)) {
        taken = entry.seq;
        yield entry;
      }
    },
  });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.ok(taken < 5, `took ${taken} entries while no client read`);
  const ids = parseEvents(await response.text())
    .map((event) => event.id)
    .filter((id) => id !== undefined);
  assert.deepEqual(
    ids,
    Array.from({ length: 52 }, (_, at) => String(at + 1)),
  );
});

test('entries that came together leave as one piece', async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('a')] });
  const response = await gateway.post(CHAT, chatBody({ stream: true }));
  const id = response.headers.get('conclave-id') ?? '';
  const pieces: SseEvent[][] = [];
  for await (const bytes of response.body ?? []) {
    pieces.push(parseEvents(new TextDecoder().decode(bytes)));
    if (pieces.length === 1) gateway.worker.write(id, tokens('b'), tokens(''), tokens('c'));
    if (pieces.length === 2) gateway.worker.write(id, tokens('d', { finish: 'stop' }), finished());
  }
  assert.deepEqual(
    pieces.map((events) => events.map((event) => event.id)),
    [
      [undefined, '1'],
      ['2', '4'],
      ['5', '6'],
    ],
  );
});

test('a reader that never reads does not hold its request open', async () => {
  const long = 'x'.repeat(20_000);
  const gateway = await createScriptedGateway({
    script: () => [tokens(long), tokens(long), tokens(long)],
    config: { limits: { answerSeconds: 0.02 } },
  });
  await gateway.post(CHAT, chatBody({ stream: true }));
  const deadline = Date.now() + 5000;
  while (gateway.worker.left.length === 0) {
    assert.ok(Date.now() < deadline, 'the follower left in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('the id of a generation tells its kind and time', async () => {
  const gateway = await createScriptedGateway();
  const id = (await gateway.post(CHAT, chatBody())).headers.get('conclave-id') ?? '';
  assert.deepEqual(readRequestId(id), { kind: 'chat', createdAtMs: 1_800_000_000_000 });
  assert.equal(readRequestId('chatcmpl-1'), undefined);
});
