// The official clients of the other APIs against the demo model: an answer, a stream, a tool that is called and whose result is used, an
// answer that fits a schema, a batch.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { generateText, Output, stepCountIs, tool } from 'ai';
import { Ollama } from 'ollama';
import OpenAI, { toFile } from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { eventually } from '../../start-cluster.ts';
import { CASES } from './cases.ts';
import type { Target } from './check-client.ts';

const { question, answer } = CASES;
const WEATHER = 'What is the weather in Paris?';
const DESCRIPTION = 'Get the current weather of a city.';
const CITY = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
const PERSON = z.object({ name: z.string(), age: z.number().int() });
const EXTRACT = 'Extract the person: Ada is 36 years old.';

/** Declares the tests inside a `describe`. */
export function checkOtherApis(target: () => Target): void {
  test('anthropic', () => checkAnthropic(target()));
  test('openai, Responses', () => checkResponses(target()));
  test('openai, batches', () => checkBatch(target()));
  test('ollama', () => checkOllama(target()));
  test('@ai-sdk/openai', () => checkAiSdk(target()));
}

/** The address without the path of OpenAI's API. */
function hostOf({ baseURL }: Target): string {
  return baseURL.replace(/\/v1$/, '');
}

async function checkAnthropic(target: Target): Promise<void> {
  const client = new Anthropic({ baseURL: hostOf(target), apiKey: target.apiKey, maxRetries: 0 });
  const settings = { model: target.model, max_tokens: 60, temperature: 0 };
  const ask = (content: string) => ({ ...settings, messages: [{ role: 'user' as const, content }] });
  const whole = await client.messages.create(ask(question));
  assert.equal(textOf(whole), answer);
  assert.equal(textOf(await client.messages.stream(ask(question)).finalMessage()), answer);
  const tools = [{ name: 'get_weather', description: DESCRIPTION, input_schema: CITY }];
  const called = await client.messages.stream({ ...ask(WEATHER), tools }).finalMessage();
  const call = called.content.find((block) => block.type === 'tool_use') ?? assert.fail('no call');
  assert.deepEqual([called.stop_reason, call.name, call.input], ['tool_use', 'get_weather', { city: 'Paris' }]);
  const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'Sunny, 21 degrees' };
  const messages: Anthropic.MessageParam[] = [
    ...ask(WEATHER).messages,
    { role: 'assistant', content: called.content },
    { role: 'user', content: [result] },
  ];
  const last = await client.messages.create({ ...settings, tools, messages });
  assert.ok(textOf(last).length > 0, JSON.stringify(last.content));
}

function textOf({ content }: Anthropic.Message): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

async function checkResponses({ model, ...options }: Target): Promise<void> {
  const client = new OpenAI({ ...options, maxRetries: 0 });
  const first = await client.responses.create({ model, input: question, temperature: 0 });
  assert.equal(first.output_text, answer);
  const next = { model, input: CASES.followUp, temperature: 0, previous_response_id: first.id };
  assert.equal((await client.responses.stream(next).finalResponse()).output_text, CASES.followUpAnswer);
  const text = { format: zodTextFormat(PERSON, 'person') };
  const { output_parsed: person } = await client.responses.parse({ model, input: EXTRACT, temperature: 0, text });
  assert.equal(person?.age, 36);
  const { id } = await client.responses.create({ model, input: question, temperature: 0, background: true });
  const read = () => client.responses.retrieve(id);
  const ended = await eventually('the response has ended', read, ({ status }) => status === 'completed');
  assert.equal(ended.output_text, answer);
}

async function checkBatch({ model, ...options }: Target): Promise<void> {
  const client = new OpenAI({ ...options, maxRetries: 0 });
  const body = { model, temperature: 0, messages: [{ role: 'user', content: question }] };
  const lines = ['a', 'b', 'c'].map((id) =>
    JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/chat/completions', body }),
  );
  const file = await client.files.create({
    file: await toFile(Buffer.from(lines.join('\n')), 'x.jsonl'),
    purpose: 'batch',
  });
  const asked = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
  const { id } = await client.batches.create(asked);
  const ended = await eventually(
    'the batch has ended',
    () => client.batches.retrieve(id),
    ({ status }) => status === 'completed',
  );
  const output = (await (await client.files.content(ended.output_file_id ?? '')).text()).trim().split('\n');
  const answers = output.map((text) => JSON.parse(text).response.body.choices[0].message.content);
  assert.deepEqual(answers, [answer, answer, answer]);
}

async function checkOllama(target: Target): Promise<void> {
  const { model } = target;
  const client = new Ollama({ host: hostOf(target), headers: { authorization: `Bearer ${target.apiKey}` } });
  const options = { temperature: 0 };
  const ask = (content: string) => ({ model, options, messages: [{ role: 'user', content }] });
  assert.equal((await client.chat(ask(question))).message.content, answer);
  let streamed = '';
  for await (const part of await client.chat({ ...ask(question), stream: true })) streamed += part.message.content;
  assert.equal(streamed, answer);
  const tools = [{ type: 'function', function: { name: 'get_weather', description: DESCRIPTION, parameters: CITY } }];
  const { message } = await client.chat({ ...ask(WEATHER), tools });
  assert.deepEqual(
    message.tool_calls?.map((call) => call.function),
    [{ name: 'get_weather', arguments: { city: 'Paris' } }],
  );
  const fitted = await client.chat({ ...ask(EXTRACT), format: z.toJSONSchema(PERSON) });
  assert.equal(PERSON.parse(JSON.parse(fitted.message.content)).age, 36);
}

async function checkAiSdk({ model: name, ...options }: Target): Promise<void> {
  const model = createOpenAI(options)(name);
  const settings = { model, temperature: 0, maxRetries: 0 };
  const { output } = await generateText({ ...settings, prompt: EXTRACT, output: Output.object({ schema: PERSON }) });
  assert.equal(output.age, 36);
  const asked: string[] = [];
  const get_weather = tool({
    description: DESCRIPTION,
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return 'Sunny, 21 degrees';
    },
  });
  const loop = await generateText({ ...settings, prompt: WEATHER, tools: { get_weather }, stopWhen: stepCountIs(3) });
  assert.equal(asked[0], 'Paris');
  assert.ok(loop.steps.length >= 2);
}
