// Whatever a client sends to any API: no body leads to a 5xx. Bodies that use much of an API are damaged in a few places.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createScriptedGateway } from '../../../gateway-parts/scripted-gateway.ts';
import { finished, tokens } from '../../../gateway-parts/scripted-worker.ts';

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

const BODIES: Readonly<Record<string, object>> = {
  '/v1/messages': {
    model: 'tiny',
    max_tokens: 9,
    system: [{ type: 'text', text: 's', cache_control: { type: 'ephemeral' } }],
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'a' }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 't', signature: '' },
          { type: 'tool_use', id: 'c1', name: 'f', input: { city: 'x' } },
        ],
      },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: 'r' }], is_error: false }],
      },
    ],
    tools: [{ name: 'f', description: 'd', input_schema: SCHEMA }],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    thinking: { type: 'enabled', budget_tokens: 1024 },
    stop_sequences: ['END'],
    temperature: 0.5,
    top_k: 3,
    metadata: { user_id: 'u' },
    stream: true,
  },
  '/v1/responses': {
    model: 'tiny',
    instructions: 's',
    input: [
      { role: 'user', content: [{ type: 'input_text', text: 'a' }] },
      { type: 'reasoning', summary: [], encrypted_content: 'dA==' },
      { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"city":"x"}' },
      { type: 'function_call_output', call_id: 'c1', output: 'r' },
    ],
    tools: [{ type: 'function', name: 'f', parameters: SCHEMA, strict: true }],
    tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] },
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'text' }, verbosity: 'low' },
    include: ['reasoning.encrypted_content'],
    metadata: { a: 'b' },
    max_output_tokens: 9,
    store: false,
  },
  '/api/chat': {
    model: 'tiny',
    messages: [
      { role: 'system', content: 's' },
      { role: 'user', content: 'a' },
      {
        role: 'assistant',
        content: '',
        thinking: 't',
        tool_calls: [{ function: { name: 'f', arguments: { city: 'x' } } }],
      },
      { role: 'tool', tool_name: 'f', content: 'r' },
    ],
    tools: [{ type: 'function', function: { name: 'f', parameters: SCHEMA } }],
    options: { num_predict: 5, temperature: 1, stop: ['x'], seed: 3, num_ctx: 100 },
    keep_alive: '5m',
    think: false,
  },
  '/api/generate': { model: 'tiny', prompt: 'a', system: 's', format: SCHEMA, options: { top_p: 0.5 }, stream: false },
};

const anything = fc.oneof(
  fc.constantFrom(
    null,
    '',
    0,
    -1,
    1e308,
    true,
    [],
    {},
    [[]],
    '\ud800',
    '__proto__',
    { type: 'text' },
    { type: 'x' },
    { role: 'tool' },
  ),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>,
);
const damage = fc.record({
  at: fc.nat(1000),
  value: anything,
  kind: fc.constantFrom('replace', 'remove', 'add', 'repeat'),
});

type Holder = Record<string, unknown> | unknown[];

/** Every place of a JSON value, as its holder and key. */
function placesOf(value: unknown): [Holder, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]): [Holder, string][] => [
    [value as Holder, key],
    ...placesOf(inner),
  ]);
}

function damaged(body: object, damages: readonly { at: number; value: unknown; kind: string }[]): object {
  const copy = structuredClone(body);
  for (const { at, value, kind } of damages) {
    const places = placesOf(copy);
    const [holder, key] = places[at % Math.max(1, places.length)] ?? [];
    if (holder === undefined || key === undefined) continue;
    const inner = Reflect.get(holder, key);
    if (kind === 'remove') Reflect.deleteProperty(holder, key);
    else if (kind === 'add' && !Array.isArray(holder)) holder[`x${at}`] = value;
    else if (kind === 'repeat' && Array.isArray(holder)) holder.push(structuredClone(inner));
    else Reflect.set(holder, key, value);
  }
  return Array.isArray(copy) ? copy : { ...copy };
}

test('no body of any API causes a 5xx', { timeout: 120_000 }, async () => {
  const gateway = await createScriptedGateway({ script: () => [tokens('Hi', { finish: 'stop' }), finished()] });
  const statuses = new Map<string, number>();
  const path = fc.constantFrom(...Object.keys(BODIES));
  const property = fc.asyncProperty(path, fc.array(damage, { maxLength: 3 }), async (where, damages) => {
    const response = await gateway.post(where, JSON.stringify(damaged(BODIES[where] ?? {}, damages)));
    const text = await response.text();
    assert.ok(response.status < 500, text);
    const key = `${where} ${response.status}`;
    statuses.set(key, (statuses.get(key) ?? 0) + 1);
  });
  await fc.assert(property, { seed: 20_261_129, numRuns: 1200 });
  for (const each of Object.keys(BODIES)) {
    for (const status of [200, 400])
      assert.ok((statuses.get(`${each} ${status}`) ?? 0) > 30, JSON.stringify([...statuses]));
  }
});
