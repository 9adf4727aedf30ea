// Anthropic's Messages: what becomes of a body, and how an answer is worded. The official clients are in test/integration.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namedEvents } from '../../../gateway-parts/named-events.ts';
import { createScriptedGateway } from '../../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../../gateway-parts/scripted-worker.ts';

const MESSAGES = '/v1/messages';
const ASK = { model: 'tiny', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] };
const SYSTEM_AND_BLOCKS = {
  ...ASK,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' }, citations: null }] },
    { role: 'user', content: 'b' },
    { role: 'assistant', content: [{ type: 'text', text: 'c' }] },
    { role: 'user', content: [{ type: 'text', text: 'd' }] },
  ],
  metadata: { user_id: 'u-1' },
  service_tier: 'auto',
  context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
};

test('answers with a message', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.post(MESSAGES, ASK);
  const answer = JSON.parse(await response.text());
  assert.match(answer.id, /^msg_[0-9a-z]{33}$/);
  assert.equal(response.headers.get('conclave-id'), answer.id);
  assert.equal(response.headers.get('request-id'), response.headers.get('x-request-id'));
  assert.deepEqual(
    { ...answer, id: '' },
    {
      id: '',
      type: 'message',
      role: 'assistant',
      model: 'tiny',
      content: [{ type: 'text', text: 'Hello', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 4, cache_creation_input_tokens: 0, cache_read_input_tokens: 1, output_tokens: 2 },
    },
  );
});

test('streams the events of a message in their order', async () => {
  const gateway = await createScriptedGateway();
  const events = namedEvents(await (await gateway.post(MESSAGES, { ...ASK, stream: true })).text());
  const delta = (text: string) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
  assert.deepEqual(
    events.map(({ event }) => event),
    events.map(({ data }) => data['type']),
  );
  const [start = {}, ...rest] = events.map(({ data }) => data);
  assert.deepEqual((start['message'] as { usage: object }).usage, {
    input_tokens: 2,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 0,
  });
  assert.deepEqual(rest, [
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '', citations: null } },
    delta('Hel'),
    delta('lo'),
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { input_tokens: 4, cache_creation_input_tokens: 0, cache_read_input_tokens: 1, output_tokens: 2 },
    },
    { type: 'message_stop' },
  ]);
});

test('joins neighbours of one role behind the system text, and takes hints', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.post(MESSAGES, SYSTEM_AND_BLOCKS);
  assert.equal(response.status, 200, await response.text());
  const prompt = Buffer.from(gateway.worker.requests[0]?.prompts[0] ?? []).toString();
  assert.equal(prompt, ['Be brief.', 'a\n\nb', 'c', 'd'].join('\n'));
});

test('a system message in the list is marked text of the turn of the user', async () => {
  const gateway = await createScriptedGateway();
  const messages = [...ASK.messages, { role: 'system', content: [{ type: 'text', text: 'Now.' }] }];
  await gateway.post(MESSAGES, { ...ASK, messages });
  const prompt = Buffer.from(gateway.worker.requests[0]?.prompts[0] ?? []).toString();
  assert.equal(prompt, 'Hi\n\n<system>\nNow.\n</system>');
});

test('counts the tokens of a conversation without queueing it', async () => {
  const gateway = await createScriptedGateway();
  const { max_tokens: _, metadata: __, ...conversation } = SYSTEM_AND_BLOCKS;
  const response = await gateway.post(`${MESSAGES}/count_tokens`, conversation);
  assert.deepEqual(await response.json(), { input_tokens: 'Be brief.\na\n\nb\nc\nd'.length });
  assert.equal(gateway.worker.requests.length, 0);
});

test('names the stop sequence, and a context that was full', async () => {
  const outcomeOf = async (body: object, last: Parameters<typeof tokens>[1]) => {
    const gateway = await createScriptedGateway({ script: () => [tokens('x', last), finished()] });
    const { stop_reason, stop_sequence } = JSON.parse(await (await gateway.post(MESSAGES, { ...ASK, ...body })).text());
    return [stop_reason, stop_sequence, gateway.worker.requests[0]?.maxTokens];
  };
  const stopped = { finish: 'stop', stopString: 'END' } as const;
  assert.deepEqual(await outcomeOf({ stop_sequences: ['END'] }, stopped), ['stop_sequence', 'END', 10]);
  assert.deepEqual(await outcomeOf({}, { finish: 'length' }), ['max_tokens', null, 10]);
  const full = ['model_context_window_exceeded', null, 62];
  assert.deepEqual(await outcomeOf({ max_tokens: 32_000 }, { finish: 'length' }), full);
});

test('takes the key from x-api-key, and sends errors in the shape of the API', async () => {
  const gateway = await createScriptedGateway();
  const send = (headers: Record<string, string>, body: object = ASK) =>
    gateway.app.request(MESSAGES, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    });
  assert.equal((await send({ 'x-api-key': gateway.key })).status, 200);
  const refusals: readonly [object, Record<string, string>, number, string][] = [
    [ASK, { 'x-api-key': 'cvk_wrong' }, 401, 'authentication_error'],
    [ASK, {}, 401, 'authentication_error'],
    [{ ...ASK, model: 'gpt' }, { 'x-api-key': gateway.key }, 404, 'not_found_error'],
    [{ ...ASK, max_tokens: 0 }, { 'x-api-key': gateway.key }, 400, 'invalid_request_error'],
  ];
  for (const [body, headers, status, type] of refusals) {
    const response = await send(headers, body);
    const { error, request_id, ...rest } = JSON.parse(await response.text());
    assert.deepEqual([response.status, error.type, rest], [status, type, { type: 'error' }]);
    assert.equal(request_id, response.headers.get('request-id'));
  }
});

test('ends a stream that fails with an event', async () => {
  const gateway = await createScriptedGateway({
    script: () => [tokens('a'), failed('generation_failed', 'The worker gave up.')],
  });
  const response = await gateway.post(MESSAGES, { ...ASK, stream: true });
  const last = namedEvents(await response.text()).at(-1);
  assert.deepEqual(last?.data, {
    type: 'error',
    error: { type: 'api_error', message: 'The worker gave up.' },
    request_id: response.headers.get('request-id'),
  });
});

const user = (...content: object[]) => ({ ...ASK, messages: [{ role: 'user', content }] });

/** A body and the words that its refusal must have. */
const REFUSED: readonly [string, unknown, RegExp][] = [
  ['an image', user({ type: 'image', source: { type: 'base64', data: '' } }), /messages\[0\]\.content\[0\]\.type/],
  ['a document', user({ type: 'document', source: {} }), /messages\[0\]\.content\[0\]\.type/],
  [
    'an answer that the client begins',
    { ...ASK, messages: [...ASK.messages, { role: 'assistant', content: '{' }] },
    /role assistant/,
  ],
  ['no max_tokens', { ...ASK, max_tokens: undefined }, /max_tokens/],
  ['a temperature beyond 1', { ...ASK, temperature: 1.5 }, /temperature/],
  ['a field that does not exist', { ...ASK, max_completion_tokens: 5 }, /max_completion_tokens/],
  ['a tool of the provider', { ...ASK, tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, /tools\[0\]/],
  ['servers of tools', { ...ASK, mcp_servers: [{ type: 'url', url: 'https://a.example' }] }, /mcp_servers/],
  ['no messages', { ...ASK, messages: [] }, /messages/],
  ['a list', [], /JSON object/],
  ['a prompt beyond the context', user({ type: 'text', text: 'x'.repeat(100) }), /maximum context length/],
];

for (const [what, body, message] of REFUSED) {
  test(`refuses ${what}`, async () => {
    const gateway = await createScriptedGateway();
    const response = await gateway.post(MESSAGES, body);
    assert.equal(response.status, 400);
    assert.match(JSON.parse(await response.text()).error.message, message);
    assert.equal(gateway.worker.requests.length, 0);
  });
}
