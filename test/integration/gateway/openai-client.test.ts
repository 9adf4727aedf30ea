// The official client against the gateway over HTTP: what it understands is what the API promises.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import OpenAI from 'openai';
import type { GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';
import { failed, finished, tokens } from '../../gateway-parts/scripted-worker.ts';
import { listenScripted } from './listening-gateway.ts';

const ASK = { model: 'tiny', messages: [{ role: 'user' as const, content: 'Hi' }] };

async function connect(t: TestContext, options: GatewayOptions = {}) {
  const { gateway, server } = await listenScripted(t, options);
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: gateway.key, maxRetries: 0 });
  return { gateway, server, client };
}

test('reads one answer', async (t) => {
  const { client } = await connect(t);
  const answer = await client.chat.completions.create(ASK);
  assert.equal(answer.choices[0]?.message.content, 'Hello');
  assert.equal(answer.choices[0]?.finish_reason, 'stop');
  assert.equal(answer.usage?.total_tokens, 7);
  assert.match(answer._request_id ?? '', /^req_/);
});

test('reads a stream with usage', async (t) => {
  const { client } = await connect(t);
  const stream = client.chat.completions.stream({ ...ASK, stream_options: { include_usage: true } });
  const answer = await stream.finalChatCompletion();
  assert.equal(answer.choices[0]?.message.content, 'Hello');
  assert.equal(answer.choices[0]?.message.role, 'assistant');
  assert.equal(answer.usage?.completion_tokens, 2);
});

test('passes stop strings and reads why it stopped', async (t) => {
  const { client, gateway } = await connect(t);
  const answer = await client.chat.completions.create({ ...ASK, stop: ['\n\n', 'END'] });
  assert.deepEqual(gateway.worker.requests[0]?.stop, ['\n\n', 'END']);
  assert.equal(answer.choices[0]?.finish_reason, 'stop');
});

test('reads several choices, streaming and not', async (t) => {
  const script = () => [
    tokens('a'),
    tokens('b', { choice: 1, finish: 'length' }),
    tokens('c', { finish: 'stop' }),
    finished(),
  ];
  const { client } = await connect(t, { script });
  const whole = await client.chat.completions.create({ ...ASK, n: 2 });
  const streamed = await client.chat.completions.stream({ ...ASK, n: 2 }).finalChatCompletion();
  for (const answer of [whole, streamed]) {
    assert.deepEqual(
      answer.choices.map(({ message, finish_reason }) => [message.content, finish_reason]),
      [
        ['ac', 'stop'],
        ['b', 'length'],
      ],
    );
  }
});

test('reads log-probabilities of a chat and of a text', async (t) => {
  const logprobs = [{ id: 97, logprob: -0.25, top: [[98, -1.5]] as const, offset: 0 }];
  const { client } = await connect(t, { script: () => [tokens('a', { logprobs, finish: 'stop' }), finished()] });
  const chat = await client.chat.completions.create({ ...ASK, logprobs: true, top_logprobs: 1 });
  assert.deepEqual(chat.choices[0]?.logprobs?.content, [
    { token: 'a', logprob: -0.25, bytes: [97], top_logprobs: [{ token: 'b', logprob: -1.5, bytes: [98] }] },
  ]);
  const text = await client.completions.create({ model: 'tiny', prompt: 'x', logprobs: 1 });
  assert.deepEqual(text.choices[0]?.logprobs, {
    tokens: ['a'],
    token_logprobs: [-0.25],
    top_logprobs: [{ b: -1.5, a: -0.25 }],
    text_offset: [0],
  });
});

test('reads a completion, streaming and not', async (t) => {
  const { client } = await connect(t);
  const whole = await client.completions.create({ model: 'tiny', prompt: 'x' });
  assert.equal(whole.choices[0]?.text, 'Hello');
  let text = '';
  for await (const chunk of await client.completions.create({ model: 'tiny', prompt: 'x', stream: true })) {
    text += chunk.choices[0]?.text;
  }
  assert.equal(text, 'Hello');
});

test('throws its own errors for ours', async (t) => {
  const { client, server } = await connect(t);
  await assert.rejects(client.chat.completions.create({ ...ASK, model: 'gpt-9' }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ ...ASK, max_tokens: 0 }), OpenAI.BadRequestError);
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'cvk_nobody', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

test('throws when a stream fails in the middle', async (t) => {
  const { client } = await connect(t, {
    script: () => [tokens('a'), failed('generation_failed', 'The worker gave up.')],
  });
  const read = async () => {
    for await (const _ of await client.chat.completions.create({ ...ASK, stream: true }));
  };
  await assert.rejects(read(), (error) => error instanceof OpenAI.APIError && /The worker gave up/.test(error.message));
});

test('leaves with an abort, and the generation is left too', async (t) => {
  const { client, gateway } = await connect(t, { script: () => [tokens('a')] });
  const stream = await client.chat.completions.create({ ...ASK, stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
  const deadline = Date.now() + 5000;
  while (gateway.worker.left.length === 0) {
    assert.ok(Date.now() < deadline, 'the follower left in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('lists models', async (t) => {
  const { client } = await connect(t);
  const models = await client.models.list();
  assert.deepEqual(
    models.data.map(({ id }) => id),
    ['tiny'],
  );
  assert.equal((await client.models.retrieve('tiny')).id, 'tiny');
});
