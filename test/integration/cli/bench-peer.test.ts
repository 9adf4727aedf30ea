// `conclave bench … --peer`: what is asked of a llama.cpp server and what is made of its answers. The server here only speaks
// its protocol; it computes nothing.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { comparePeer, openPeer } from '../../../infra/cli/bench/peer.ts';

const VOCAB = 512;

interface Completion {
  readonly prompt: readonly number[];
  readonly n_predict: number;
}

/** A server that answers with `short` tokens less than it was asked for, and keeps what it was asked. */
async function llamaServer(context: TestContext, short = 0): Promise<{ url: string; asked: Completion[] }> {
  const asked: Completion[] = [];
  const server = createServer(async (request, response) => {
    if (request.url === '/v1/models') {
      response.end(JSON.stringify({ data: [{ meta: { n_vocab: VOCAB } }] }));
      return;
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    const completion = JSON.parse(body) as Completion;
    asked.push(completion);
    const tokens = completion.n_predict - short;
    for (let token = 0; token < tokens; token += 1) {
      response.write(`data: ${JSON.stringify({ content: 'x', stop: false })}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const timings = { prompt_ms: 12.5 };
    response.end(`data: ${JSON.stringify({ content: '', stop: true, tokens_predicted: tokens, timings })}\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const PROMPT = { promptTokens: [3, 1, 4], tokens: 4, eosTokens: [0] };

test('a peer is asked for the same tokens, greedily, without its cache, and to the full length', async (context) => {
  const { url, asked } = await llamaServer(context);
  const peer = await openPeer(url, VOCAB);
  const answer = await peer?.generate(PROMPT);
  assert.deepEqual(asked, [
    { prompt: [3, 1, 4], n_predict: 4, temperature: 0, ignore_eos: true, cache_prompt: false, stream: true },
  ]);
  assert.equal(answer?.promptMs, 12.5);
  assert.equal(answer.times.tokens, 4);
  assert.ok(answer.times.firstMs > 0 && answer.times.lastMs > answer.times.firstMs);
});

test('an answer of a peer that stops early is an error, not a fast run', async (context) => {
  const { url } = await llamaServer(context, 1);
  const peer = await openPeer(url, VOCAB);
  await assert.rejects(async () => peer?.generate(PROMPT), {
    code: 'generation_failed',
    message: /3 tokens came of 4/,
  });
});

test('a peer that serves another model is refused with both sizes', async (context) => {
  const { url } = await llamaServer(context);
  await assert.rejects(openPeer(url, 999), {
    code: 'bad_config',
    message: /a model of 512 tokens, and this one has 999/,
  });
});

test('a peer that is away is named', async () => {
  await assert.rejects(openPeer('http://127.0.0.1:1', VOCAB), { code: 'unavailable', message: /127\.0\.0\.1:1/ });
});

test('without a peer nothing is compared', async () => {
  assert.equal(await openPeer(undefined, VOCAB), null);
});

test('ratios are taken within each pair of runs', () => {
  // The machine slowed down for both in the second pair: the ratio does not move.
  assert.deepEqual(comparePeer([30, 15, 33], [10, 5, 10]).ratio, { min: 3, median: 3, max: 3.3 });
});
