// The Responses API: what becomes of a body, what is stored and for whom, and how an answer is worded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namedEvents } from '../../../gateway-parts/named-events.ts';
import { createScriptedGateway, type GatewayOptions } from '../../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../../gateway-parts/scripted-worker.ts';

const RESPONSES = '/v1/responses';
const ASK = { model: 'tiny', input: 'Hi' };

async function open(options: GatewayOptions = {}) {
  const gateway = await createScriptedGateway(options);
  const call = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const response = await gateway.send(method, `${RESPONSES}${path}`, body, headers);
    const text = await response.text();
    return { status: response.status, json: text.startsWith('{') ? JSON.parse(text) : {}, text };
  };
  const prompts = () => gateway.worker.requests.map(({ prompts: [prompt] }) => Buffer.from(prompt ?? []).toString());
  return { gateway, call, prompts };
}

test('answers with a response, which can be read again', async () => {
  const { call } = await open();
  const { json } = await call('POST', '', { ...ASK, metadata: { run: '7' }, instructions: 'Be brief.' });
  assert.match(json.id, /^resp_[0-9a-z]{33}$/);
  const { id, output, usage, metadata, status, instructions } = json;
  assert.deepEqual([status, metadata, instructions], ['completed', { run: '7' }, 'Be brief.']);
  assert.deepEqual(output, [
    {
      type: 'message',
      id: `msg_${id.slice(5)}_0`,
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Hello', annotations: [], logprobs: [] }],
    },
  ]);
  assert.deepEqual(usage, {
    input_tokens: 5,
    input_tokens_details: { cached_tokens: 1 },
    output_tokens: 2,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 7,
  });
  assert.deepEqual((await call('GET', `/${id}`)).json, json);
});

test('streams events in their order, numbered without gaps', async () => {
  const { call } = await open();
  const events = namedEvents((await call('POST', '', { ...ASK, stream: true })).text);
  assert.deepEqual(
    events.map(({ event }) => event.replace('response.', '')),
    [
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ],
  );
  assert.deepEqual(
    events.map(({ data }) => [data['type'], data['sequence_number']]),
    events.map(({ event }, at) => [event, at]),
  );
  const [first] = events.map(({ data }) => data['response'] as { id: string });
  const id = first?.id;
  assert.deepEqual((await call('GET', `/${id}`)).json, events.at(-1)?.data['response']);
});

test('goes on from a stored response, and from that', async () => {
  const { call, prompts } = await open();
  const first = await call('POST', '', { ...ASK, instructions: 'Not kept.' });
  const second = await call('POST', '', { model: 'tiny', input: 'a', previous_response_id: first.json.id });
  const input = [{ role: 'user', content: [{ type: 'input_text', text: 'b' }] }];
  await call('POST', '', { model: 'tiny', input, previous_response_id: second.json.id, instructions: 'New.' });
  assert.deepEqual(prompts().slice(1), ['Hi\nHello\na', 'New.\nHi\nHello\na\nHello\nb']);
});

test('takes back its own items, whole and by reference', async () => {
  const { call, prompts } = await open();
  const { output } = (await call('POST', '', ASK)).json;
  const asked = { role: 'user', content: 'Hi' };
  const again = { role: 'user', content: 'And?' };
  for (const item of [output[0], { type: 'item_reference', id: output[0].id }, { id: output[0].id }]) {
    const { status, text } = await call('POST', '', { model: 'tiny', input: [asked, item, again] });
    assert.equal(status, 200, text);
  }
  assert.deepEqual(new Set(prompts().slice(1)), new Set(['Hi\nHello\nAnd?']));
});

test('keeps nothing with store: false, and nothing of an answer that failed', async () => {
  const { call } = await open({ script: () => [tokens('a'), failed('generation_failed', 'The worker gave up.')] });
  const events = namedEvents((await call('POST', '', { ...ASK, stream: true })).text);
  const last = events.at(-1)?.data as { type: string; response: { id: string; status: string; error: object } };
  assert.deepEqual([last.type, last.response.status], ['response.failed', 'failed']);
  assert.deepEqual(last.response.error, { code: 'server_error', message: 'The worker gave up.' });
  assert.equal((await call('GET', `/${last.response.id}`)).status, 404);
  const other = await open();
  const { id, store } = (await other.call('POST', '', { ...ASK, store: false })).json;
  assert.deepEqual([store, (await other.call('GET', `/${id}`)).status], [false, 404]);
});

test("is the tenant's alone", async () => {
  const { call, gateway } = await open();
  const { id, output } = (await call('POST', '', ASK)).json;
  const stranger = { authorization: `Bearer ${await gateway.newKey('rival', ['chat'])}` };
  const asks: readonly [string, string, object?][] = [
    ['GET', `/${id}`],
    ['GET', `/${id}/input_items`],
    ['DELETE', `/${id}`],
    ['POST', `/${id}/cancel`],
    ['POST', '', { ...ASK, previous_response_id: id }],
    ['POST', '', { model: 'tiny', input: [{ type: 'item_reference', id: output[0].id }] }],
  ];
  for (const [method, path, body] of asks) {
    const { status, json } = await call(method, path, body, stranger);
    assert.deepEqual([status, json.error.code], [404, 'not_found'], `${method} ${path}`);
  }
  assert.equal((await call('DELETE', `/${id}`)).json.deleted, true);
  assert.equal((await call('GET', `/${id}`)).status, 404);
});

test('lists the items of its input in pages', async () => {
  const { call } = await open();
  const input = ['a', 'b', 'c'].map((text) => ({ role: 'user', content: text }));
  const { id } = (await call('POST', '', { model: 'tiny', input })).json;
  const page = async (query: string) => (await call('GET', `/${id}/input_items?${query}`)).json;
  const textsOf = (list: { data: { content: { text: string }[] }[] }) => list.data.map((item) => item.content[0]?.text);
  const first = await page('limit=2&order=asc');
  assert.deepEqual([textsOf(first), first.has_more], [['a', 'b'], true]);
  const second = await page(`limit=2&order=asc&after=${first.last_id}`);
  assert.deepEqual([textsOf(second), second.has_more], [['c'], false]);
  assert.deepEqual(textsOf(await page('')), ['c', 'b', 'a']);
});

test('an answer that was cut is incomplete', async () => {
  const { call } = await open({ script: () => [tokens('Hel', { finish: 'length' }), finished()] });
  const { status, incomplete_details, output } = (await call('POST', '', ASK)).json;
  assert.deepEqual([status, incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
  assert.equal(output[0].status, 'incomplete');
});

test('in the background: answered at once, read later, streamed again after any event', async () => {
  const { call, gateway } = await open({ script: () => undefined });
  const { json } = await call('POST', '', { ...ASK, background: true });
  assert.deepEqual([json.status, json.output], ['queued', []]);
  assert.ok((gateway.worker.requests[0]?.resumeSeconds ?? 0) >= 3600, 'it outlives its gateway');
  assert.equal((await call('GET', `/${json.id}`)).json.status, 'in_progress');
  const refused = await call('POST', '', { ...ASK, previous_response_id: json.id });
  assert.match(refused.json.error.message, /has not ended/);
  gateway.worker.write(json.id, tokens('Hel'), tokens('lo', { finish: 'stop' }), finished());
  assert.equal((await call('GET', `/${json.id}`)).json.output[0].content[0].text, 'Hello');
  const whole = namedEvents((await call('GET', `/${json.id}?stream=true`)).text).map(({ data }) => data);
  assert.deepEqual(
    whole.slice(0, 3).map(({ type }) => type),
    ['response.created', 'response.queued', 'response.in_progress'],
  );
  const rest = namedEvents((await call('GET', `/${json.id}?stream=true&starting_after=4`)).text);
  assert.deepEqual(
    rest.map(({ data }) => data),
    whole.slice(5),
  );
});

test('in the background: cancelled, and what is not in the background is not', async () => {
  const { call, gateway } = await open({
    script: ({ resumeSeconds }) => (resumeSeconds > 0 ? undefined : [tokens('a', { finish: 'stop' }), finished()]),
  });
  const { id } = (await call('POST', '', { ...ASK, background: true })).json;
  assert.equal((await call('POST', `/${id}/cancel`)).json.status, 'cancelled');
  assert.deepEqual(gateway.worker.cancelled, [id]);
  assert.equal((await call('GET', `/${id}`)).json.status, 'cancelled');
  const other = (await call('POST', '', ASK)).json;
  assert.equal((await call('POST', `/${other.id}/cancel`)).status, 400);
  assert.equal((await call('GET', `/${other.id}?stream=true`)).status, 400);
});

/** A body and the field that its refusal names. */
const REFUSED: readonly [string, object, string][] = [
  ['no input', { input: [] }, 'input'],
  [
    'an image',
    { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
    'input[0].content[0].type',
  ],
  ['an item of another kind', { input: [{ type: 'computer_call', id: 'x' }] }, 'input[0].type'],
  ['a tool of the provider', { tools: [{ type: 'computer' }] }, 'tools[0].type'],
  ['a conversation', { conversation: 'conv_1' }, 'conversation'],
  ['a stored prompt', { prompt: { id: 'pmpt_1' } }, 'prompt'],
  ['a response that does not exist', { previous_response_id: 'resp_1' }, 'previous_response_id'],
  ['the background without a store', { background: true, store: false }, 'background'],
  ['metadata that is not text', { metadata: { a: 1 } }, 'metadata.a'],
  ['a field of chat completions', { max_tokens: 5 }, 'max_tokens'],
  ['too long an input', { input: 'x'.repeat(100) }, 'input'],
];

for (const [what, changes, param] of REFUSED) {
  test(`refuses ${what}`, async () => {
    const { call, gateway } = await open();
    const { status, json } = await call('POST', '', { ...ASK, ...changes });
    assert.deepEqual(
      [status, json.error.param],
      [param === 'previous_response_id' ? 404 : 400, param],
      json.error.message,
    );
    assert.equal(gateway.worker.requests.length, 0);
  });
}
