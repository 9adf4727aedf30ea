// The official client against everything that `npm start` runs: what the README promises to people who have a program already.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { eventually, NEVER_END, sharedCluster } from '../start-cluster.ts';

const ASK = {
  model: 'tiny',
  messages: [{ role: 'user' as const, content: 'Tell me a story' }],
  max_tokens: 48,
  temperature: 0.8,
  seed: 7,
  logit_bias: { ...NEVER_END },
};

describe('the official client', () => {
  const cluster = sharedCluster();
  let client: OpenAI;

  before(() => {
    client = new OpenAI({ baseURL: `${cluster().url}/v1`, apiKey: cluster().apiKey, maxRetries: 0 });
  });

  async function ask(changes: Partial<typeof ASK> & { readonly stop?: string[] } = {}) {
    const { choices, usage } = await client.chat.completions.create({ ...ASK, ...changes });
    return { text: choices[0]?.message.content ?? '', finish: choices[0]?.finish_reason, usage };
  }

  test('streams the text that it answers without streaming, with usage at the end', async () => {
    const whole = await ask();
    const stream = await client.chat.completions.create({
      ...ASK,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let finish: string | null | undefined;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage;
    }
    assert.ok(whole.text.length > 0);
    assert.equal(text, whole.text);
    assert.deepEqual([finish, whole.finish], ['length', 'length']);
    assert.equal(usage?.completion_tokens, ASK.max_tokens);
    assert.equal(usage?.prompt_tokens, whole.usage?.prompt_tokens);
    assert.equal(whole.usage?.completion_tokens, ASK.max_tokens);
  });

  test('the same seed gives the same text, another seed another one', async () => {
    const [first, again, other] = [await ask(), await ask(), await ask({ seed: 8 })];
    assert.equal(again.text, first.text);
    assert.notEqual(other.text, first.text);
  });

  test('ends before a stop string that spans tokens, streaming and not', async () => {
    const answer = await client.chat.completions.create({ ...ASK, logprobs: true });
    const text = answer.choices[0]?.message.content ?? '';
    const tokens = (answer.choices[0]?.logprobs?.content ?? []).map(({ token }) => token);
    const at = tokens.findIndex(
      (token, index) => index > 8 && /^ ?\w\w+$/.test(token) && /^\w/.test(tokens[index + 1] ?? ''),
    );
    const stop = `${tokens[at]?.slice(-2)}${tokens[at + 1]?.slice(0, 1)}`;
    const expected = text.slice(0, text.indexOf(stop));
    assert.ok(at > 0 && text.includes(stop), `'${stop}' occurs in ${JSON.stringify(text)}`);

    const stopped = await ask({ stop: ['never in it', stop] });
    assert.deepEqual([stopped.text, stopped.finish], [expected, 'stop']);
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...ASK, stop, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? '';
    }
    assert.equal(streamed, expected);
  });

  test('gives two choices that differ, the first one as if it were alone', async () => {
    const alone = await ask();
    const { choices, usage } = await client.chat.completions.create({ ...ASK, n: 2 });
    const texts = choices.map(({ message }) => message.content);
    assert.equal(texts.length, 2);
    assert.equal(texts[0], alone.text);
    assert.notEqual(texts[1], texts[0]);
    assert.equal(usage?.completion_tokens, 2 * ASK.max_tokens);
    const streamed = await client.chat.completions.stream({ ...ASK, n: 2 }).finalChatCompletion();
    assert.deepEqual(
      streamed.choices.map(({ message }) => message.content),
      texts,
    );
  });

  test('gives log-probabilities of a distribution', async () => {
    const { choices } = await client.chat.completions.create({
      ...ASK,
      max_tokens: 8,
      logprobs: true,
      top_logprobs: 5,
    });
    const positions = choices[0]?.logprobs?.content ?? [];
    assert.equal(positions.length, 8);
    for (const { logprob, top_logprobs } of positions) {
      const logs = top_logprobs.map((top) => top.logprob);
      const [highest = 0] = logs;
      assert.equal(logs.length, 5);
      assert.deepEqual(
        logs,
        [...logs].sort((a, b) => b - a),
        'the likeliest first',
      );
      assert.ok(logprob <= highest && highest <= 0);
      assert.ok(logs.reduce((sum, log) => sum + Math.exp(log), 0) <= 1 + 1e-6);
    }
  });

  test('completes a text, streaming and not', async () => {
    const { messages: _, ...rest } = ASK;
    const body = { ...rest, prompt: 'Once upon a time' };
    const whole = await client.completions.create({ ...body, logprobs: 2 });
    let text = '';
    for await (const chunk of await client.completions.create({ ...body, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    assert.equal(text, whole.choices[0]?.text);
    assert.equal(whole.choices[0]?.logprobs?.tokens?.length, ASK.max_tokens);
    assert.equal(whole.usage?.completion_tokens, ASK.max_tokens);
  });

  test('lists the model that is served', async () => {
    const { data } = await client.models.list();
    assert.deepEqual(
      data.map(({ id }) => id),
      ['tiny'],
    );
  });

  const refusals = [
    { what: 'an unknown key', change: {}, key: `cvk_${'0'.repeat(40)}`, type: OpenAI.AuthenticationError, status: 401 },
    { what: 'an unknown model', change: { model: 'gpt-9' }, key: null, type: OpenAI.NotFoundError, status: 404 },
    { what: 'no tokens wanted', change: { max_tokens: 0 }, key: null, type: OpenAI.BadRequestError, status: 400 },
    { what: 'too many tokens', change: { max_tokens: 1e9 }, key: null, type: OpenAI.BadRequestError, status: 400 },
    { what: 'no messages', change: { messages: [] }, key: null, type: OpenAI.BadRequestError, status: 400 },
  ];

  for (const { what, change, key, type, status } of refusals) {
    test(`refuses ${what} with the client's own error for ${status}`, async () => {
      const caller = key === null ? client : new OpenAI({ baseURL: `${cluster().url}/v1`, apiKey: key, maxRetries: 0 });
      await assert.rejects(
        caller.chat.completions.create({ ...ASK, ...change }),
        (error) => error instanceof type && error.status === status && typeof error.code === 'string',
      );
    });
  }

  test('refuses a prompt beyond the context', async () => {
    const messages = [{ role: 'user' as const, content: 'word '.repeat(5000) }];
    await assert.rejects(
      client.chat.completions.create({ ...ASK, messages }),
      (error) => error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded',
    );
  });

  test('an abort in mid-stream cancels the generation', async () => {
    const stream = await client.chat.completions.create({ ...ASK, max_tokens: 4000, stream: true });
    let id = '';
    for await (const chunk of stream) {
      id = chunk.id;
      if (chunk.choices[0]?.delta.content) break;
    }
    stream.controller.abort();
    const record = await eventually(
      'the generation ended',
      async () =>
        (await cluster().admin('GET', `jobs/${id}`)) as { state: string; outcome: string; completionTokens: number },
      ({ state }) => state === 'ended',
    );
    assert.equal(record.outcome, 'cancelled');
    assert.ok(record.completionTokens < 4000);
  });

  test('takes its own message back as the next turn', async () => {
    const first = await client.chat.completions.create(ASK);
    const message = first.choices[0]?.message;
    assert.ok(message);
    const messages = [...ASK.messages, message, { role: 'user' as const, content: 'Go on' }];
    const second = await client.chat.completions.create({ ...ASK, messages });
    assert.ok((second.usage?.prompt_tokens ?? 0) > (first.usage?.prompt_tokens ?? 0));
  });

  test('scores a list of prompts as it scores each alone', async () => {
    const score = (prompt: string | string[]) =>
      client.completions.create({ model: 'tiny', prompt, echo: true, logprobs: 2, max_tokens: 0 });
    const texts = ['One fine day', 'Once upon a time there was', 'The'];
    const list = await score(texts);
    const alone = await Promise.all(texts.map(score));
    assert.deepEqual(
      list.choices,
      alone.map(({ choices }, index) => ({ ...choices[0], index })),
    );
    assert.deepEqual(
      list.choices.map(({ text, finish_reason: finish }) => [text, finish]),
      texts.map((text) => [text, 'length']),
    );
    for (const { logprobs } of list.choices) {
      assert.equal(logprobs?.token_logprobs?.[0], null);
      assert.ok(logprobs?.token_logprobs?.slice(1).every((each) => each < 0));
    }
    assert.equal(list.usage?.completion_tokens, 0);
  });
});
