// @ai-sdk/openai, whose default is the Responses API.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText } from 'ai';
import { listenScripted } from './listening-gateway.ts';

async function connect(t: TestContext) {
  const { gateway, server } = await listenScripted(t);
  const openai = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: gateway.key });
  return { gateway, model: openai('tiny') };
}

test('answers, and goes on with its own messages as it stores them', async (t) => {
  const { gateway, model } = await connect(t);
  const first = await generateText({ model, prompt: 'Hi', maxRetries: 0 });
  assert.equal(first.text, 'Hello');
  assert.equal(first.usage.outputTokens, 2);
  const messages = [
    { role: 'user' as const, content: 'Hi' },
    ...first.response.messages,
    { role: 'user' as const, content: 'And?' },
  ];
  await generateText({ model, messages, maxRetries: 0 });
  assert.equal(Buffer.from(gateway.worker.requests[1]?.prompts[0] ?? []).toString(), 'Hi\nHello\nAnd?');
});

test('streams', async (t) => {
  const { model } = await connect(t);
  const pieces: string[] = [];
  for await (const piece of streamText({ model, prompt: 'Hi', maxRetries: 0 }).textStream) pieces.push(piece);
  assert.deepEqual(pieces, ['Hel', 'lo']);
});
