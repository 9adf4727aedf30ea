// The Responses API as OpenAI's official client uses it.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import OpenAI, { AzureOpenAI } from 'openai';
import type { GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';
import { finished, tokens } from '../../gateway-parts/scripted-worker.ts';
import { listenScripted } from './listening-gateway.ts';

const ASK = { model: 'tiny', input: 'Hi' };

async function connect(t: TestContext, options: GatewayOptions = {}) {
  const { gateway, server } = await listenScripted(t, options);
  return { gateway, client: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: gateway.key, maxRetries: 0 }) };
}

test('creates, retrieves, goes on and deletes', async (t) => {
  const { client, gateway } = await connect(t);
  const first = await client.responses.create(ASK);
  assert.equal(first.output_text, 'Hello');
  assert.equal((await client.responses.retrieve(first.id)).output_text, 'Hello');
  const items = await client.responses.inputItems.list(first.id);
  assert.equal(items.data[0]?.type, 'message');
  await client.responses.create({ ...ASK, input: 'And?', previous_response_id: first.id });
  assert.equal(Buffer.from(gateway.worker.requests[1]?.prompts[0] ?? []).toString(), 'Hi\nHello\nAnd?');
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
});

test('reads a stream, whose response is that of a whole answer', async (t) => {
  const { client } = await connect(t);
  const texts: string[] = [];
  const stream = client.responses.stream(ASK).on('response.output_text.delta', ({ delta }) => texts.push(delta));
  const streamed = await stream.finalResponse();
  assert.deepEqual(texts, ['Hel', 'lo']);
  assert.equal(streamed.output_text, 'Hello');
  assert.deepEqual(streamed.usage, (await client.responses.create(ASK)).usage);
});

test('sends its own output back as history', async (t) => {
  const { client, gateway } = await connect(t);
  const { output } = await client.responses.create({ ...ASK, store: false });
  const input = [{ role: 'user' as const, content: 'Hi' }, ...output, { role: 'user' as const, content: 'And?' }];
  await client.responses.create({ model: 'tiny', input: input as OpenAI.Responses.ResponseInput, store: false });
  assert.equal(Buffer.from(gateway.worker.requests[1]?.prompts[0] ?? []).toString(), 'Hi\nHello\nAnd?');
});

test('starts in the background, and resumes the stream after an event', async (t) => {
  const { client, gateway } = await connect(t, { script: () => undefined });
  const { id, status } = await client.responses.create({ ...ASK, background: true });
  assert.equal(status, 'queued');
  gateway.worker.write(id, tokens('Hel'), tokens('lo', { finish: 'stop' }), finished());
  const seen: number[] = [];
  const stream = await client.responses.retrieve(id, { stream: true, starting_after: 4 });
  for await (const event of stream) seen.push(event.sequence_number);
  assert.deepEqual(seen, [5, 6, 7, 8, 9, 10]);
  assert.equal((await client.responses.retrieve(id)).output_text, 'Hello');
});

test('cancels what is in the background', async (t) => {
  const { client } = await connect(t, { script: () => undefined });
  const { id } = await client.responses.create({ ...ASK, background: true });
  assert.equal((await client.responses.cancel(id)).status, 'cancelled');
});

test('reaches the same through Azure paths', async (t) => {
  const { gateway, server } = await listenScripted(t);
  const client = new AzureOpenAI({
    endpoint: server.url,
    apiKey: gateway.key,
    apiVersion: '2024-10-21',
    maxRetries: 0,
  });
  const answer = await client.chat.completions.create({ model: 'tiny', messages: [{ role: 'user', content: 'Hi' }] });
  assert.equal(answer.choices[0]?.message.content, 'Hello');
  assert.equal((await client.responses.create(ASK)).output_text, 'Hello');
});
