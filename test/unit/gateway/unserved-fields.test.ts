// The table of fields that are not served: for each entry, values that must change nothing and values that must be refused by name.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Level, UNSERVED_FIELDS } from '../../../gateway/request/unserved-fields.ts';
import { CHAT, TEXT } from '../../gateway-parts/bad-requests.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

interface Samples {
  readonly taken?: readonly unknown[];
  readonly refused?: readonly unknown[];
}

const NOTHING = [null, [], {}, { a: null, b: { c: null, d: [] } }];
const HINT = (...values: readonly unknown[]): Samples => ({ taken: [...NOTHING, ...values] });
const CALL = { name: 'add', arguments: '{}' };
const ADD = { type: 'function', function: { name: 'add' } };

/** What clients send in each field of the table. */
const SAMPLES: Readonly<Record<string, Samples>> = {
  metadata: HINT({ run: '7' }),
  store: HINT(true, false),
  safety_identifier: HINT('hash'),
  prompt_cache_key: HINT('tenant-7'),
  prompt_cache_retention: HINT('in_memory', '24h'),
  prompt_cache_options: HINT({ mode: 'explicit', ttl: '30m' }),
  service_tier: HINT('auto', 'default', 'flex', 'priority'),
  verbosity: HINT('low', 'medium', 'high'),
  prediction: HINT({ type: 'content', content: 'Hello' }),
  include_obfuscation: HINT(true, false),
  annotations: HINT([{ type: 'url_citation', url_citation: { url: 'https://a.example' } }]),
  parsed: HINT({ city: 'Oslo' }),
  parsed_arguments: HINT({ city: 'Oslo' }),
  index: HINT(0, 1),
  prompt_cache_breakpoint: HINT({ mode: 'explicit' }),
  modalities: { taken: [...NOTHING, ['text']], refused: [['text', 'audio'], ['audio']] },
  audio: { taken: NOTHING, refused: [{ format: 'wav', voice: 'ash' }] },
  web_search_options: { taken: [null], refused: [{}, { search_context_size: 'low' }] },
  moderation: { taken: NOTHING, refused: [{ model: 'omni-moderation-latest' }] },
  suffix: { taken: [...NOTHING, ''], refused: ['end'] },
  best_of: { taken: [...NOTHING, 1], refused: [2] },
  refusal: { taken: [...NOTHING, ''], refused: ['I cannot.'] },
  'message.audio': { taken: NOTHING, refused: [{ id: 'audio_1' }] },
  'tool.type': { refused: ['custom'] },
  'call.type': { refused: ['custom'] },
  'part.type': { refused: ['image_url', 'input_audio', 'file', 'refusal'] },
};

const messageWith = (fields: object) => ({ messages: [{ role: 'user', content: 'Hi', ...fields }] });

/** A request that has the fields on one level, and the path of a field there. */
const LEVELS: Readonly<
  Record<Level, { readonly path: string; readonly prefix: string; body(fields: object): object }>
> = {
  chat: { path: CHAT, prefix: '', body: (fields) => chatBody(fields) },
  completion: { path: TEXT, prefix: '', body: (fields) => ({ model: 'tiny', prompt: 'Hi', max_tokens: 5, ...fields }) },
  message: { path: CHAT, prefix: 'messages[0].', body: (fields) => chatBody(messageWith(fields)) },
  part: {
    path: CHAT,
    prefix: 'messages[0].content[0].',
    body: (fields) => chatBody(messageWith({ content: [{ type: 'text', text: 'Hi', ...fields }] })),
  },
  stream_options: {
    path: CHAT,
    prefix: 'stream_options.',
    body: (fields) => chatBody({ stream: true, stream_options: fields }),
  },
  response_format: {
    path: CHAT,
    prefix: 'response_format.',
    body: (fields) => chatBody({ response_format: { type: 'text', ...fields } }),
  },
  tool: { path: CHAT, prefix: 'tools[0].', body: (fields) => chatBody({ tools: [{ ...ADD, ...fields }] }) },
  function: {
    path: CHAT,
    prefix: 'tools[0].function.',
    body: (fields) => chatBody({ tools: [{ ...ADD, function: { name: 'add', ...fields } }] }),
  },
  call: {
    path: CHAT,
    prefix: 'messages[1].tool_calls[0].',
    body: (fields) => withCall({ id: 'call_1', type: 'function', function: CALL, ...fields }),
  },
  called_function: {
    path: CHAT,
    prefix: 'messages[1].tool_calls[0].function.',
    body: (fields) => withCall({ id: 'call_1', type: 'function', function: { ...CALL, ...fields } }),
  },
};

function withCall(call: object): object {
  return chatBody({
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', tool_calls: [call] },
    ],
  });
}

const entries = UNSERVED_FIELDS.flatMap(({ levels, field, reason }) =>
  levels.map((level) => ({ level, field, reason, samples: SAMPLES[`${level}.${field}`] ?? SAMPLES[field] })),
);

for (const { level, field, reason, samples } of entries) {
  const { path, prefix, body } = LEVELS[level];

  test(`${level} field ${field}: ${reason}`, async () => {
    assert.ok(samples !== undefined, 'each entry of the table has samples here');
    const gateway = await createScriptedGateway();
    await gateway.post(path, body({}));
    const [plain] = gateway.worker.requests;
    for (const value of samples.taken ?? []) {
      const response = await gateway.post(path, body({ [field]: value }));
      assert.equal(response.status, 200, `${JSON.stringify(value)}: ${await response.text()}`);
      assert.deepEqual(gateway.worker.requests.at(-1)?.prompts, plain?.prompts);
    }
    for (const value of samples.refused ?? []) {
      const param = `${prefix}${field}`;
      const response = await gateway.post(path, body({ [field]: value }));
      const message = `Unsupported parameter: '${param}' is not supported.`;
      const error = { message, type: 'invalid_request_error', param, code: 'unsupported_parameter' };
      assert.deepEqual([response.status, await response.json()], [400, { error }]);
    }
  });
}

test('best_of is accepted where it equals n, which asks for nothing more, and refused elsewhere', async () => {
  const gateway = await createScriptedGateway();
  const statusOf = async (fields: object) =>
    (await gateway.post(TEXT, { model: 'tiny', prompt: 'a', ...fields })).status;
  assert.equal(await statusOf({ n: 2, best_of: 2 }), 200);
  assert.equal(await statusOf({ n: 2, best_of: 3 }), 400);
  assert.equal(await statusOf({ n: null, best_of: 2 }), 400);
});

describe('unknown fields', () => {
  for (const [level, { path, body, prefix }] of Object.entries(LEVELS)) {
    test(`${level}: take what asks for nothing, refuse the rest by name`, async () => {
      const gateway = await createScriptedGateway();
      for (const nothing of NOTHING) {
        assert.equal((await gateway.post(path, body({ guided_whitespace: nothing }))).status, 200);
      }
      for (const value of [false, 0, '', ['a'], [null], { a: null, b: 1 }]) {
        const response = await gateway.post(path, body({ guided_whitespace: value }));
        const { error } = (await response.json()) as { error: { param: string; code: string } };
        assert.deepEqual(
          [response.status, error.param, error.code],
          [400, `${prefix}guided_whitespace`, 'invalid_request'],
        );
      }
    });
  }
});

/** What clients send back after `messages.append(response.choices[0].message)`. */
const SENT_BACK: Readonly<Record<string, object>> = {
  'the message as this server sends it': { role: 'assistant', content: 'Hello', refusal: null },
  'openai for Python, model_dump()': {
    content: 'Hello',
    refusal: null,
    role: 'assistant',
    annotations: null,
    audio: null,
    function_call: null,
    tool_calls: null,
  },
  'openai for Python, model_dump(exclude_none=True)': { content: 'Hello', role: 'assistant' },
  'openai for Python, chat.completions.parse': {
    content: 'Hello',
    refusal: null,
    role: 'assistant',
    annotations: null,
    audio: null,
    function_call: null,
    tool_calls: null,
    parsed: null,
  },
  'a message of OpenAI itself': { role: 'assistant', content: 'Hello', refusal: null, annotations: [] },
  litellm: {
    content: 'Hello',
    role: 'assistant',
    tool_calls: null,
    function_call: null,
    provider_specific_fields: { refusal: null },
  },
  'a message of vLLM': {
    role: 'assistant',
    reasoning_content: null,
    reasoning: null,
    content: 'Hello',
    tool_calls: [],
    function_call: null,
  },
  'an assistant that only has a name': { role: 'assistant', content: 'Hello', name: 'assistant' },
};

const QUESTION = { role: 'user', content: 'Hi', name: 'ada' };
const NEXT = { role: 'user', content: 'And?' };
const conversation = (answer: unknown) => chatBody({ messages: [QUESTION, answer, NEXT] });

for (const [client, message] of Object.entries(SENT_BACK)) {
  test(`takes its answer back: ${client}`, async () => {
    const gateway = await createScriptedGateway();
    const response = await gateway.post(CHAT, conversation(message));
    assert.equal(response.status, 200, await response.text());
    const prompt = Buffer.from(gateway.worker.requests[0]?.prompts[0] ?? []).toString();
    assert.equal(prompt, 'Hi\nHello\nAnd?');
  });
}

test('takes back what it has just sent, whatever the answer holds', async () => {
  const gateway = await createScriptedGateway();
  const first = await gateway.post(CHAT, chatBody({ logprobs: true, n: 1 }));
  const { choices } = (await first.json()) as { choices: { message: object }[] };
  const second = await gateway.post(CHAT, conversation(choices[0]?.message));
  assert.equal(second.status, 200, await second.text());
});

test('an assistant may have said nothing, others may not', async () => {
  const gateway = await createScriptedGateway();
  for (const content of [null, [], '', undefined]) {
    const response = await gateway.post(CHAT, conversation({ role: 'assistant', content }));
    assert.equal(response.status, 200, await response.text());
    assert.equal(Buffer.from(gateway.worker.requests.at(-1)?.prompts[0] ?? []).toString(), 'Hi\n\nAnd?');
  }
  for (const content of [null, [], undefined]) {
    const response = await gateway.post(CHAT, chatBody({ messages: [{ role: 'user', content }] }));
    const { error } = (await response.json()) as { error: { param: string } };
    assert.deepEqual([response.status, error.param], [400, 'messages[0].content']);
  }
});

test('a body of nothing but nulls beside what it asks', async () => {
  const gateway = await createScriptedGateway();
  const served = ['stream_options', 'response_format', 'stop', 'n', 'logprobs', 'top_logprobs', 'logit_bias', 'seed'];
  const nulls = Object.fromEntries(
    [...served, ...UNSERVED_FIELDS.map(({ field }) => field)].map((name) => [name, null]),
  );
  assert.equal((await gateway.post(CHAT, chatBody(nulls))).status, 200);
  const idle = { stream_options: {}, response_format: {}, stop: [], logit_bias: {}, logprobs: false, top_logprobs: 0 };
  assert.equal((await gateway.post(CHAT, chatBody(idle))).status, 200);
  const off = { stream: false, stream_options: { include_usage: false, include_obfuscation: true } };
  assert.equal((await gateway.post(CHAT, chatBody(off))).status, 200);
});

test('null is no message, no part and no stop string', async () => {
  const gateway = await createScriptedGateway();
  const bodies = [{ messages: [null] }, messageWith({ content: [null] }), { stop: [null] }, { messages: null }];
  for (const body of bodies) assert.equal((await gateway.post(CHAT, chatBody(body))).status, 400, JSON.stringify(body));
});
