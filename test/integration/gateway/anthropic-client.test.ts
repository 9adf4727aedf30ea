// Anthropic's official client against the gateway over HTTP: what it understands is what the API promises.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import type { GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../gateway-parts/scripted-worker.ts';
import { listenScripted } from './listening-gateway.ts';

const ASK = { model: 'tiny', max_tokens: 20, messages: [{ role: 'user' as const, content: 'Hi' }] };

async function connect(t: TestContext, options: GatewayOptions = {}) {
  const { gateway, server } = await listenScripted(t, options);
  const client = new Anthropic({ baseURL: server.url, apiKey: gateway.key, maxRetries: 0 });
  return { gateway, server, client };
}

test('reads a message, with its usage and the id of the request', async (t) => {
  const { client } = await connect(t);
  const message = await client.messages.create({ ...ASK, system: 'Be brief.' });
  assert.deepEqual(message.content, [{ type: 'text', text: 'Hello', citations: null }]);
  assert.equal(message.stop_reason, 'end_turn');
  assert.equal(message.usage.cache_read_input_tokens, 1);
  assert.match(message._request_id ?? '', /^req_/);
});

test('reads a stream, and its final message is that of a whole answer', async (t) => {
  const { client } = await connect(t);
  const texts: string[] = [];
  const stream = client.messages.stream(ASK).on('text', (text) => texts.push(text));
  // What the client itself adds to a streamed message.
  const { id: _, parsed_output: ___, ...streamed } = await stream.finalMessage();
  const { id: __, ...whole } = await client.messages.create(ASK);
  assert.deepEqual(texts, ['Hel', 'lo']);
  assert.deepEqual(JSON.parse(JSON.stringify(streamed)), JSON.parse(JSON.stringify(whole)));
});

test('sends a message back as history', async (t) => {
  const { client, gateway } = await connect(t);
  const { role, content } = await client.messages.create(ASK);
  await client.messages.create({
    ...ASK,
    messages: [...ASK.messages, { role, content }, { role: 'user', content: 'And?' }],
  });
  assert.equal(Buffer.from(gateway.worker.requests[1]?.prompts[0] ?? []).toString(), 'Hi\nHello\nAnd?');
});

test('counts tokens', async (t) => {
  const { client } = await connect(t);
  assert.deepEqual(await client.messages.countTokens({ model: 'tiny', messages: ASK.messages }), { input_tokens: 2 });
});

test('throws its own errors for ours, also in mid-stream', async (t) => {
  const script = () => [tokens('a'), failed('generation_failed', 'The worker gave up.')];
  const { client, server } = await connect(t, { script });
  await assert.rejects(client.messages.create({ ...ASK, model: 'claude' }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...ASK, max_tokens: 0 }), Anthropic.BadRequestError);
  const stranger = new Anthropic({ baseURL: server.url, apiKey: 'cvk_nobody', maxRetries: 0 });
  await assert.rejects(stranger.messages.create(ASK), Anthropic.AuthenticationError);
  await assert.rejects(client.messages.stream(ASK).finalMessage(), /The worker gave up/);
});

test('leaves with an abort, and the generation is left too', async (t) => {
  const { client, gateway } = await connect(t, { script: () => [tokens('a')] });
  const stream = await client.messages.create({ ...ASK, stream: true });
  for await (const event of stream) if (event.type === 'content_block_delta') break;
  stream.controller.abort();
  const deadline = Date.now() + 5000;
  while (gateway.worker.left.length === 0) {
    assert.ok(Date.now() < deadline, 'the follower left in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('reads a message that ended before its first word', async (t) => {
  const { client } = await connect(t, { script: () => [tokens('', { finish: 'stop' }), finished(0)] });
  assert.deepEqual((await client.messages.create(ASK)).content, []);
  assert.deepEqual((await client.messages.stream(ASK).finalMessage()).content, []);
});
