// Ollama's official client against the gateway over HTTP.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Ollama } from 'ollama';
import type { GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';
import { failed, tokens } from '../../gateway-parts/scripted-worker.ts';
import { listenScripted } from './listening-gateway.ts';

const ASK = { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }] };

async function connect(t: TestContext, options: GatewayOptions = {}) {
  const { gateway, server } = await listenScripted(t, options);
  const headers = { authorization: `Bearer ${gateway.key}` };
  return { gateway, client: new Ollama({ host: server.url, headers }) };
}

test('chats, whole and streamed, and sends the message back', async (t) => {
  const { client, gateway } = await connect(t);
  const { message } = await client.chat(ASK);
  assert.equal(message.content, 'Hello');
  let text = '';
  for await (const part of await client.chat({ ...ASK, stream: true })) text += part.message.content;
  assert.equal(text, 'Hello');
  await client.chat({ ...ASK, messages: [...ASK.messages, message, { role: 'user', content: 'And?' }] });
  assert.equal(Buffer.from(gateway.worker.requests[2]?.prompts[0] ?? []).toString(), 'Hi\nHello\nAnd?');
});

test('generates, and lists, shows and finds models', async (t) => {
  const { client } = await connect(t);
  assert.equal((await client.generate({ model: 'tiny', prompt: 'Hi', options: { num_predict: 5 } })).response, 'Hello');
  assert.equal((await client.list()).models[0]?.name, 'tiny');
  assert.equal((await client.ps()).models[0]?.name, 'tiny');
  assert.equal((await client.show({ model: 'tiny' })).details.format, 'safetensors');
});

test('throws for our errors, also in mid-stream', async (t) => {
  const { client } = await connect(t, {
    script: () => [tokens('a'), failed('generation_failed', 'The worker gave up.')],
  });
  await assert.rejects(client.chat({ ...ASK, model: 'llama3' }), { name: 'ResponseError', status_code: 404 });
  const read = async () => {
    for await (const _ of await client.chat({ ...ASK, stream: true }));
  };
  await assert.rejects(read(), /The worker gave up/);
});
