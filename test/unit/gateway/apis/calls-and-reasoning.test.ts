// Calls, their results and reasoning in each API: what a model writes becomes the API's blocks or items, whole and streamed, and a
// client sends back what it was sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conversation } from '../../../../gateway/conversation/conversation.ts';
import { namedEvents } from '../../../gateway-parts/named-events.ts';
import { createScriptedGateway } from '../../../gateway-parts/scripted-gateway.ts';
import { finished, tokens } from '../../../gateway-parts/scripted-worker.ts';

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const PIECES = [
  '<think>The user ',
  'asks.</think>',
  'Let me see.',
  '\n<tool_call>\n{"name": "get_weather", "arguments": {"city"',
  ': "Oslo"}}\n</tool_call>',
];
const ARGUMENTS = { city: 'Oslo' };

/** A gateway whose model thinks and calls, and the conversations that it was given. */
async function open(tool = 'get_weather') {
  const seen: Conversation[] = [];
  const gateway = await createScriptedGateway({
    script: () => [
      ...PIECES.map((piece, at) =>
        tokens(piece.replace('get_weather', tool), at === PIECES.length - 1 ? { finish: 'stop' } : {}),
      ),
      finished(),
    ],
    model: {
      traits: { calls: 'hermes', reasoning: 'think', specialMarks: [], takesTools: true },
      encodeChat: async (conversation) => {
        seen.push(conversation);
        return { tokens: [1], reasoningOpen: false };
      },
    },
  });
  const post = async (path: string, body: object) => {
    const response = await gateway.post(path, { model: 'tiny', ...body });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return text;
  };
  return { post, seen };
}

/** What the template must be given of the second request, whichever API it came by. */
function checkSecond(conversation: Conversation | undefined): void {
  const [question, answer, result] = conversation?.messages ?? [];
  assert.deepEqual(question, { role: 'user', content: 'Weather?' });
  assert.ok(answer?.role === 'assistant' && result?.role === 'tool');
  assert.deepEqual([answer.content, answer.reasoning], ['Let me see.', 'The user asks.']);
  const [call] = answer.toolCalls ?? [];
  assert.deepEqual([call?.name, JSON.parse(call?.arguments ?? '')], ['get_weather', ARGUMENTS]);
  assert.deepEqual([result.content, result.name, result.toolCallId], ['Rain', 'get_weather', call?.id]);
  assert.deepEqual(
    conversation?.tools.map(({ name, parameters }) => [name, parameters]),
    [['get_weather', SCHEMA]],
  );
}

test('messages', async () => {
  const { post, seen } = await open();
  const tools = [{ name: 'get_weather', input_schema: SCHEMA, cache_control: { type: 'ephemeral' } }];
  const asked = { role: 'user', content: 'Weather?' };
  const body = { max_tokens: 50, tools };
  const whole = JSON.parse(await post('/v1/messages', { ...body, messages: [asked] }));
  const [thinking, text, call] = whole.content;
  assert.equal(whole.stop_reason, 'tool_use');
  assert.deepEqual(
    [thinking.thinking, text.text, call.name, call.input],
    ['The user asks.', 'Let me see.', 'get_weather', ARGUMENTS],
  );
  const result = { type: 'tool_result', tool_use_id: call.id, content: [{ type: 'text', text: 'Rain' }] };
  const turns = [asked, { role: 'assistant', content: whole.content }, { role: 'user', content: [result] }];
  const events = namedEvents(await post('/v1/messages', { ...body, messages: turns, stream: true }));
  checkSecond(seen[1]);
  const starts = events.filter(({ event }) => event === 'content_block_start');
  assert.deepEqual(
    starts.map(({ data }) => (data['content_block'] as { type: string }).type),
    ['thinking', 'text', 'tool_use'],
  );
  const json = events.flatMap(
    ({ data }) => (data['delta'] as { partial_json?: string } | undefined)?.partial_json ?? [],
  );
  assert.ok(json.length > 1, 'arguments come in pieces');
  assert.deepEqual(JSON.parse(json.join('')), ARGUMENTS);
});

test('responses', async () => {
  const { post, seen } = await open();
  const tools = [{ type: 'function', name: 'get_weather', parameters: SCHEMA, strict: null }];
  const include = ['reasoning.encrypted_content'];
  const asked = { role: 'user', content: 'Weather?' };
  const whole = JSON.parse(await post('/v1/responses', { input: [asked], tools, include }));
  const [reasoning, message, call] = whole.output;
  assert.deepEqual([reasoning.type, message.type, call.type], ['reasoning', 'message', 'function_call']);
  assert.deepEqual(JSON.parse(call.arguments), ARGUMENTS);
  const result = { type: 'function_call_output', call_id: call.call_id, output: 'Rain' };
  // Clients that keep nothing send reasoning back as the opaque text alone.
  const opaque = { type: 'reasoning', summary: [], encrypted_content: reasoning.encrypted_content };
  await post('/v1/responses', { input: [asked, opaque, message, call, result], tools, store: false });
  checkSecond(seen[1]);
  await post('/v1/responses', { input: [result], previous_response_id: whole.id, tools });
  checkSecond(seen[2]);
  const events = namedEvents(await post('/v1/responses', { input: 'Weather?', tools, stream: true }));
  const joined = (type: string) =>
    events.flatMap(({ event, data }) => (event === `response.${type}.delta` ? [data['delta']] : [])).join('');
  assert.deepEqual(JSON.parse(joined('function_call_arguments')), ARGUMENTS);
  assert.deepEqual([joined('reasoning_text'), joined('output_text')], ['The user asks.', 'Let me see.']);
});

test('responses: a function of a namespace has both names, and a search is left out', async () => {
  const { post, seen } = await open('weather__get_weather');
  const inner = { type: 'function', name: 'get_weather', parameters: SCHEMA };
  const tools = [
    { type: 'namespace', name: 'weather', tools: [inner] },
    { type: 'web_search', external_web_access: false },
  ];
  const asked = { role: 'user', content: 'Weather?' };
  const { output } = JSON.parse(await post('/v1/responses', { input: [asked], tools }));
  const call = output[2];
  assert.deepEqual([call.namespace, call.name], ['weather', 'get_weather']);
  const result = { type: 'function_call_output', call_id: call.call_id, output: 'Rain' };
  await post('/v1/responses', { input: [asked, ...output, result], tools });
  const [, answer] = seen[1]?.messages ?? [];
  assert.ok(answer?.role === 'assistant');
  assert.deepEqual(
    [answer.toolCalls?.[0]?.name, seen[1]?.tools.map(({ name }) => name)],
    ['weather__get_weather', ['weather__get_weather']],
  );
});

test('ollama', async () => {
  const { post, seen } = await open();
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: SCHEMA } }];
  const asked = { role: 'user', content: 'Weather?' };
  const { message } = JSON.parse(await post('/api/chat', { messages: [asked], tools, stream: false }));
  assert.deepEqual(message, {
    role: 'assistant',
    content: 'Let me see.',
    thinking: 'The user asks.',
    tool_calls: [{ function: { name: 'get_weather', arguments: ARGUMENTS } }],
  });
  const result = { role: 'tool', tool_name: 'get_weather', content: 'Rain' };
  const lines = (await post('/api/chat', { messages: [asked, message, result], tools })).trim().split('\n');
  checkSecond(seen[1]);
  const parts = lines.map((line) => JSON.parse(line).message);
  assert.equal(parts.map(({ thinking = '' }) => thinking).join(''), 'The user asks.');
  assert.deepEqual(
    parts.flatMap(({ tool_calls: calls = [] }) => calls),
    message.tool_calls,
  );
});
