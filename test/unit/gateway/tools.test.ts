// Tools on chat completions: what a model writes becomes calls, whole and streamed, in the newer and the older form; calls and results
// go back into the conversation; what contradicts itself is refused by the path of its field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conversation } from '../../../gateway/conversation/conversation.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';
import { CHAT, testRefusals } from '../../gateway-parts/bad-requests.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { finished, tokens } from '../../gateway-parts/scripted-worker.ts';

const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const WEATHER = { type: 'function', function: { name: 'get_weather', parameters: PARAMETERS } };
const TIME = { type: 'function', function: { name: 'get_time' } };
const PIECES = [
  'Let me see.',
  '\n<tool_call>\n{"name": "get_wea',
  'ther", "arguments": {"city"',
  ': "Oslo"}',
  '}\n</tool_call>',
];

const answering = (pieces: readonly string[], finish: 'stop' | 'length' = 'stop') => ({
  script: () => [
    ...pieces.map((piece, at) => tokens(piece, at === pieces.length - 1 ? { finish } : {})),
    finished(pieces.length),
  ],
});

interface Choice {
  readonly finish_reason: string;
  readonly message: { readonly content: string | null; readonly tool_calls?: { readonly id: string }[] };
}

async function choicesOf(response: Response): Promise<Choice[]> {
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as { choices: Choice[] }).choices;
}

async function deltasOf(response: Response): Promise<object[]> {
  const events = (await response.text()).split('\n\n').filter((event) => /^data: \{/m.test(event));
  const chunks = events.map((event) => JSON.parse(event.slice(event.indexOf('data: ') + 6)));
  return chunks.flatMap(({ choices }) => choices.map((choice: { delta: object }) => choice.delta));
}

test('a call becomes a tool call with content beside it', async () => {
  const gateway = await createScriptedGateway(answering(PIECES));
  const [choice] = await choicesOf(await gateway.post(CHAT, chatBody({ tools: [WEATHER] })));
  const id = choice?.message.tool_calls?.[0]?.id ?? '';
  assert.match(id, /^call_[0-9a-f]{24}$/);
  assert.deepEqual(choice, {
    index: 0,
    message: {
      role: 'assistant',
      content: 'Let me see.',
      refusal: null,
      tool_calls: [{ id, type: 'function', function: { name: 'get_weather', arguments: '{"city": "Oslo"}' } }],
    },
    logprobs: null,
    finish_reason: 'tool_calls',
  });
});

test('content is null where the answer consists of calls', async () => {
  const gateway = await createScriptedGateway(answering(PIECES.slice(1)));
  const [choice] = await choicesOf(await gateway.post(CHAT, chatBody({ tools: [WEATHER] })));
  assert.equal(choice?.message.content, null);
});

test('an answer that was cut off in a call says so', async () => {
  const gateway = await createScriptedGateway(answering(PIECES.slice(0, 3), 'length'));
  const [choice] = await choicesOf(await gateway.post(CHAT, chatBody({ tools: [WEATHER] })));
  assert.deepEqual([choice?.finish_reason, choice?.message.tool_calls?.length], ['length', 1]);
});

test('without tools, or with a choice of none of them, a call is text', async () => {
  const gateway = await createScriptedGateway(answering(PIECES));
  for (const changes of [{}, { tools: [] }, { tools: [WEATHER], tool_choice: 'none' }]) {
    const [choice] = await choicesOf(await gateway.post(CHAT, chatBody(changes)));
    assert.deepEqual([choice?.finish_reason, choice?.message.content], ['stop', PIECES.join('')]);
  }
});

test('a call streams: its name as soon as it is known, then its arguments as they come', async () => {
  const gateway = await createScriptedGateway(answering(PIECES));
  const [role, ...deltas] = await deltasOf(await gateway.post(CHAT, chatBody({ tools: [WEATHER], stream: true })));
  assert.deepEqual(role, { role: 'assistant', content: '' });
  const [text, begun] = deltas as [object, { tool_calls: { id: string }[] }];
  assert.deepEqual(text, { content: 'Let me see.' });
  const call = { index: 0, id: begun.tool_calls[0]?.id, type: 'function' };
  assert.deepEqual(begun, { tool_calls: [{ ...call, function: { name: 'get_weather', arguments: '{"city"' } }] });
  const rest = deltas.slice(2, -1);
  assert.deepEqual(rest, [{ tool_calls: [{ index: 0, function: { arguments: ': "Oslo"}' } }] }]);
  assert.deepEqual(deltas.at(-1), {});
});

test('a stream that is resumed gives the same calls under the same ids', async () => {
  const gateway = await createScriptedGateway(answering(PIECES));
  const first = await gateway.post(CHAT, chatBody({ tools: [WEATHER], stream: true }));
  const deltas = await deltasOf(first);
  const path = `/v1/streams/${first.headers.get('conclave-id')}`;
  assert.deepEqual(await deltasOf(await gateway.get(path)), deltas);
  assert.deepEqual(await deltasOf(await gateway.get(path, { 'last-event-id': '3' })), deltas.slice(3));
});

test('older functions are tools of which an answer calls one', async () => {
  const gateway = await createScriptedGateway(answering(PIECES.slice(1)));
  const body = chatBody({ functions: [WEATHER.function], function_call: 'auto' });
  const [choice] = await choicesOf(await gateway.post(CHAT, body));
  const call = { name: 'get_weather', arguments: '{"city": "Oslo"}' };
  const message = { role: 'assistant', content: null, refusal: null, function_call: call };
  assert.deepEqual([choice?.finish_reason, choice?.message], ['function_call', message]);
  const deltas = await deltasOf(await gateway.post(CHAT, { ...body, stream: true }));
  assert.deepEqual(deltas.slice(1), [
    { function_call: { name: 'get_weather', arguments: '{"city"' } },
    { function_call: { arguments: ': "Oslo"}' } },
    {},
  ]);
});

/** A gateway that keeps the conversations that its model was given. */
async function listeningGateway() {
  const conversations: Conversation[] = [];
  const model = {
    encodeChat: async (conversation: Conversation) => {
      conversations.push(conversation);
      return { tokens: [1], reasoningOpen: false };
    },
  };
  return { gateway: await createScriptedGateway({ model }), conversations };
}

const CALL = { id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } };
const USER = { role: 'user', content: 'Hi' };
const CALLED = { role: 'assistant', content: null, tool_calls: [CALL] };
const RESULT = { role: 'tool', tool_call_id: 'c1', content: '7 degrees' };

test('calls, results and reasoning go back into the conversation', async () => {
  const { gateway, conversations } = await listeningGateway();
  const messages = [USER, { ...CALLED, reasoning_content: 'Hm.' }, RESULT];
  assert.equal((await gateway.post(CHAT, chatBody({ messages, tools: [WEATHER, TIME] }))).status, 200);
  assert.deepEqual(conversations[0]?.messages, [
    { role: 'user', content: 'Hi' },
    {
      role: 'assistant',
      content: '',
      reasoning: 'Hm.',
      toolCalls: [{ id: 'c1', name: 'get_weather', arguments: '{"city":"Oslo"}' }],
    },
    { role: 'tool', content: '7 degrees', toolCallId: 'c1', name: 'get_weather' },
  ]);
  assert.deepEqual(
    conversations[0]?.tools.map(({ name, parameters }) => [name, parameters]),
    [
      ['get_weather', PARAMETERS],
      ['get_time', { type: 'object', properties: {} }],
    ],
  );
});

test('older calls and results become newer ones', async () => {
  const { gateway, conversations } = await listeningGateway();
  const messages = [
    USER,
    { role: 'assistant', content: null, function_call: CALL.function },
    { role: 'function', name: 'get_weather', content: '7' },
  ];
  assert.equal((await gateway.post(CHAT, chatBody({ messages, functions: [WEATHER.function] }))).status, 200);
  assert.deepEqual(conversations[0]?.messages.slice(1), [
    {
      role: 'assistant',
      content: '',
      toolCalls: [{ id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo"}' }],
    },
    { role: 'tool', content: '7', toolCallId: 'call_1', name: 'get_weather' },
  ]);
});

test('variables of the template and the effort of reasoning reach it', async () => {
  const { gateway, conversations } = await listeningGateway();
  const post = (changes: object) => gateway.post(CHAT, chatBody(changes));
  await post({ reasoning_effort: 'none' });
  await post({ reasoning_effort: 'high', chat_template_kwargs: { enable_thinking: false, depth: 3 } });
  assert.deepEqual(
    conversations.map(({ variables }) => variables),
    [
      { reasoning_effort: 'none', enable_thinking: false },
      { reasoning_effort: 'high', enable_thinking: false, depth: 3 },
    ],
  );
});

test('a model that cannot be given tools refuses them, and takes a conversation without', async () => {
  const traits = { calls: null, reasoning: null, specialMarks: [], takesTools: false };
  const gateway = await createScriptedGateway({ model: { traits } });
  const response = await gateway.post(CHAT, chatBody({ tools: [WEATHER] }));
  const { error } = (await response.json()) as { error: { param: string; code: string } };
  assert.deepEqual([response.status, error.param, error.code], [400, 'tools', 'unsupported_parameter']);
  assert.equal((await gateway.post(CHAT, chatBody({ tools: [WEATHER], tool_choice: 'none' }))).status, 200);
});

test('reasoning is apart from content, whole and streamed, and counted', async () => {
  const traits = { calls: 'hermes', reasoning: 'think', specialMarks: [{ id: 7, text: '<think>' }], takesTools: true };
  const gateway = await createScriptedGateway({
    ...answering(['<think>', 'Hm', '.</think>\n', '\nHi']),
    model: { traits },
  });
  const whole = (await (await gateway.post(CHAT, chatBody())).json()) as { choices: Choice[]; usage: object };
  const message = { role: 'assistant', content: 'Hi', reasoning_content: 'Hm.', refusal: null };
  assert.deepEqual(whole.choices[0]?.message, message);
  assert.deepEqual(Reflect.get(whole.usage, 'completion_tokens_details'), { reasoning_tokens: '<think>Hm'.length });
  const deltas = await deltasOf(await gateway.post(CHAT, chatBody({ stream: true })));
  assert.deepEqual(deltas.slice(1), [{ reasoning_content: 'Hm' }, { reasoning_content: '.' }, { content: 'Hi' }]);
  assert.deepEqual(gateway.worker.requests[0]?.shownTokens, [7]);
});

const withParameters = (parameters: object) => ({ ...TIME, function: { name: 'a', parameters } });

const acceptsAnswer = async (changes: object, text: string): Promise<boolean> => {
  const gateway = await createScriptedGateway({ config: { limits: { bodyBytes: 1_000_000 } } });
  const response = await gateway.post(CHAT, chatBody(changes));
  assert.equal(response.status, 200, await response.text());
  const { constraint } = gateway.worker.requests[0] ?? assert.fail('nothing was queued');
  const walker = new ConstraintWalker(constraint ?? assert.fail('the answer is free'));
  return walker.pushText(text) && walker.mayEnd;
};

const written = (name: string, json: string) => `<tool_call>\n{"name": "${name}", "arguments": ${json}}\n</tool_call>`;

test('arguments have to fit, of tools that may be called only, and as often as the client allows', async () => {
  const oslo = written('get_weather', '{"city": "Oslo"}');
  const [auto, one] = [{ tools: [WEATHER, TIME] }, { tools: [WEATHER, TIME], parallel_tool_calls: false }];
  const named = { ...auto, tool_choice: { type: 'function', function: { name: 'get_time' } } };
  const allowed = {
    ...auto,
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'get_time' } }] },
    },
  };
  const cases: readonly (readonly [object, string, boolean])[] = [
    [auto, 'Hello', true],
    [auto, oslo, true],
    [auto, `Hello\n${oslo}\n${oslo}`, true],
    [auto, `${oslo}Hello`, false],
    [auto, written('get_weather', '{"town": "Oslo"}'), false],
    [auto, written('get_weather', '{"city": "Oslo", "more": 1}'), false],
    [auto, '<tool_call>Hello', false],
    [one, oslo, true],
    [one, `${oslo}\n${oslo}`, false],
    [named, written('get_time', '{}'), true],
    [named, 'Hello', false],
    [named, oslo, false],
    [allowed, 'Hello', true],
    [allowed, oslo, false],
  ];
  for (const [changes, text, expected] of cases) assert.equal(await acceptsAnswer(changes, text), expected, text);
});

test('a parameter that cannot be enforced may be anything, unless the tool is strict', async () => {
  const tools = [withParameters({ type: 'object', properties: { a: { not: { type: 'null' } } } })];
  assert.ok(await acceptsAnswer({ tools }, written('a', '{"a": [null]}')));
  assert.ok(!(await acceptsAnswer({ tools }, written('a', '[]'))));
});

const names = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ ...TIME, function: { name: `tool_${at}` } }));

test('a hundred and more tools are fine', async () => {
  const gateway = await createScriptedGateway({ config: { limits: { bodyBytes: 1_000_000 } } });
  assert.equal((await gateway.post(CHAT, chatBody({ tools: names(200), tool_choice: 'required' }))).status, 200);
});

const invalid = (title: string, changes: object, param: string, what: string) => ({
  title,
  body: chatBody(changes),
  param,
  message: `Invalid '${param}': ${what}.`,
});
const NOT_A_NAME = "expected a name of 1 to 128 letters, digits, '_', '-' or '.'";
const NO_CALL = (id: string) =>
  `expected the id of a call in the assistant's message before, each with one result, but received '${id}'`;

testRefusals([
  invalid(
    'a tool whose name is no name',
    { tools: [{ ...TIME, function: { name: 'get time' } }] },
    'tools[0].function.name',
    NOT_A_NAME,
  ),
  invalid(
    'two tools of one name',
    { tools: [TIME, TIME] },
    'tools[1].function.name',
    "expected names that differ, but 'get_time' is there twice",
  ),
  invalid(
    'parameters that are no object',
    { tools: [{ ...TIME, function: { name: 'a', parameters: ['x'] } }] },
    'tools[0].function.parameters',
    'expected record but received array',
  ),
  invalid(
    'parameters of another type',
    { tools: [withParameters({ type: 'string' })] },
    'tools[0].function.parameters.type',
    "expected 'object'",
  ),
  invalid(
    'parameters that are no schema',
    { tools: [withParameters({ type: 'object', properties: { a: { type: 'banana' } } })] },
    'tools[0].function.parameters.properties.a.type',
    'expected null, boolean, integer, number, string, array, object or a list of them',
  ),
  invalid(
    'a strict tool whose parameters cannot be enforced',
    { tools: [{ ...TIME, function: { name: 'a', strict: true, parameters: { type: 'object', not: {} } } }] },
    'tools[0].function.parameters.not',
    "keyword 'not' is not supported: everything but something cannot be written down in general",
  ),
  invalid('a choice without tools', { tool_choice: 'required' }, 'tool_choice', "it requires 'tools'"),
  invalid(
    'a choice of a tool that is not there',
    { tools: [TIME], tool_choice: WEATHER.function && { type: 'function', function: { name: 'x' } } },
    'tool_choice.function.name',
    "expected the name of a tool of this request, but 'x' is not one",
  ),
  invalid('a result without a call', { messages: [USER, RESULT] }, 'messages[1].tool_call_id', NO_CALL('c1')),
  invalid(
    'a second result of a call',
    { messages: [CALLED, RESULT, RESULT] },
    'messages[2].tool_call_id',
    NO_CALL('c1'),
  ),
  invalid(
    'a call id used twice',
    { messages: [USER, { ...CALLED, tool_calls: [CALL, CALL] }] },
    'messages[1].tool_calls[1].id',
    "expected ids that differ, but 'c1' is there twice",
  ),
  invalid(
    'a result without an id',
    { messages: [CALLED, { role: 'tool', content: 'x' }] },
    'messages[1].tool_call_id',
    'expected the id of a call',
  ),
  invalid(
    'a call of a user',
    { messages: [{ ...USER, tool_calls: [CALL] }] },
    'messages[0].tool_calls',
    'expected it only in messages of role assistant',
  ),
  invalid(
    'tools in both forms',
    { tools: [TIME], functions: [TIME.function] },
    'functions',
    "it cannot be combined with 'tools', its newer form",
  ),
  invalid(
    'continuing the words of a user',
    { continue_final_message: true },
    'continue_final_message',
    "expected the last message to be an assistant's",
  ),
]);
