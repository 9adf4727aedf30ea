// Requests that share the engine: prefixes are shared within a tenant only, and a batch changes no answer.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import OpenAI from 'openai';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { eventually, NEVER_END, sharedCluster } from '../start-cluster.ts';

const MAX_TOKENS = 64;
const PROMPTS = Array.from({ length: 8 }, (_, index) => `${'word '.repeat(40 * index)}Story number ${index}?`);

describe('requests that share the engine', () => {
  const cluster = sharedCluster();
  let client: OpenAI;

  before(() => {
    client = clientOf(cluster().apiKey);
  });

  function clientOf(apiKey: string): OpenAI {
    return new OpenAI({ baseURL: `${cluster().url}/v1`, apiKey, maxRetries: 0 });
  }

  async function ask(api: OpenAI, content: string, seed: number, maxTokens = MAX_TOKENS) {
    const sampling = { max_tokens: maxTokens, temperature: 0.8, seed, logit_bias: { ...NEVER_END } };
    const messages = [{ role: 'user' as const, content }];
    const { choices, usage } = await api.chat.completions.create({ model: 'tiny', messages, ...sampling });
    return {
      text: choices[0]?.message.content ?? '',
      promptTokens: usage?.prompt_tokens ?? 0,
      cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    };
  }

  test('a tenant that repeats a long prompt finds it computed; another tenant does not', async () => {
    const prompt = `A long preface. ${'And then it went on. '.repeat(40)}`;
    const first = await ask(client, prompt, 3);
    const again = await ask(client, prompt, 3);
    const other = await ask(clientOf(await cluster().newTenant('other')), prompt, 3);
    assert.deepEqual([first.cachedTokens, other.cachedTokens], [0, 0]);
    assert.ok(again.cachedTokens > first.promptTokens / 2 && again.cachedTokens < first.promptTokens);
    assert.deepEqual([again.text, other.text], [first.text, first.text]);
  });

  test('eight requests in one batch get the texts that they get one at a time', async () => {
    const alone: string[] = [];
    const stepsBefore = await stepsAfter(0);
    for (const [seed, prompt] of PROMPTS.entries()) alone.push((await ask(client, prompt, seed)).text);
    const expected = PROMPTS.length * MAX_TOKENS;
    const stepsAlone = await stepsAfter(stepsBefore.tokens + expected);
    const together = await holdQueue(PROMPTS.length, () =>
      PROMPTS.map(async (prompt, seed) => (await ask(client, prompt, seed)).text),
    );
    assert.deepEqual(together, alone);
    const stepsTogether = await stepsAfter(stepsAlone.tokens + expected);
    // How many share a step is a matter of timing; that some do is what makes the comparison mean something.
    assert.ok(stepsTogether.steps - stepsAlone.steps < stepsAlone.steps - stepsBefore.steps, 'requests shared steps');
  });

  test('answers that fill the engine give way to another tenant, and are the same in the end', async () => {
    const few = clientOf(await cluster().newTenant('few'));
    const askAll = () =>
      Array.from({ length: 33 }, async (_, seed) => (await ask(client, `Tale ${seed}?`, seed, 200)).text);
    const undisturbed = await Promise.all(askAll());
    const before = (await readStats())['gaveWay'] ?? 0;
    const disturbed = holdQueue(33, askAll);
    // A short answer that comes before every place is taken needs none.
    const askShortly = async () => {
      await ask(few, 'Short?', 1, 4);
      return (await readStats())['gaveWay'] ?? 0;
    };
    await eventually('an answer gave way', askShortly, (gaveWay) => gaveWay > before);
    assert.deepEqual(await disturbed, undisturbed);
  });

  /** What the worker counted once it has generated `tokens`. */
  async function stepsAfter(tokens: number): Promise<{ readonly steps: number; readonly tokens: number }> {
    const read = async () => {
      const stats = await readStats();
      return { steps: stats['steps'] ?? 0, tokens: stats['tokens'] ?? 0 };
    };
    return eventually(`${tokens} tokens`, read, (now) => now.tokens >= tokens);
  }

  async function readStats(): Promise<Readonly<Record<string, number>>> {
    const { data } = (await cluster().admin('GET', 'nodes')) as { readonly data: readonly NodeReport[] };
    return data[0]?.stats ?? {};
  }

  /** Lets none of the requests start before all of them wait. */
  async function holdQueue<Value>(count: number, send: () => Promise<Value>[]): Promise<Value[]> {
    const read = async () => {
      const { data } = (await cluster().admin('GET', 'queues')) as {
        readonly data: readonly { readonly queue: string; readonly tenant: string; readonly waiting: number }[];
      };
      return data.find(({ tenant }) => tenant.includes('default'));
    };
    const queue = encodeURIComponent((await read())?.queue ?? '');
    await cluster().admin('POST', `queues/${queue}/pause`);
    const answers = Promise.all(send());
    await eventually('all requests wait', read, (view) => view?.waiting === count);
    await cluster().admin('POST', `queues/${queue}/resume`);
    return answers;
  }
});
