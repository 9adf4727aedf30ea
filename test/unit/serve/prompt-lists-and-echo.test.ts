// Requests with several prompts, and answers that begin with their prompt and its log-probabilities.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GREEDY } from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import { bytesOf } from '../../byte-tokenizer.ts';
import { runGroup, type ScriptedGroup, taken, textOf } from './scripted-group.ts';

function assertIdle({ scheduler, observed }: ScriptedGroup): void {
  assert.deepEqual([scheduler.running, scheduler.waiting, scheduler.kvUse, observed.size], [0, 0, 0, 0]);
}

function published(choice: number, text: string, finish: TokensEvent['finish'] = null): TokensEvent {
  return { type: 'tokens', choice, ids: bytesOf(text), text, logprobs: null, finish };
}

test('each prompt of a list is answered as it would be alone, by every one of its choices', async () => {
  const sampling = { ...GREEDY, temperature: 1, seed: 5 };
  const texts = ['one: a', 'and two: k', 'q'];
  const change = { choices: 2, maxTokens: 6, sampling };
  const list = taken('', { ...change, prompts: texts.map(bytesOf) });
  const alone = texts.map((prompt) => taken(prompt, change));
  const group = await runGroup({ taken: [list, ...alone], maxSequences: 4, maxRows: 6 });
  const answers = [0, 1, 2, 3, 4, 5].map((choice) => textOf(group.streams.get(list.request.id), choice));
  const expected = alone.flatMap(({ request }) =>
    [0, 1].map((choice) => textOf(group.streams.get(request.id), choice)),
  );
  assert.deepEqual(answers, expected);
  assert.equal(group.streams.get(list.request.id)?.end?.outcome, 'finished');
  assertIdle(group);
});

test('a list of prompts goes on behind what was published of each', async () => {
  const list = taken('', { prompts: ['x a', 'x k', 'x p'].map(bytesOf), maxTokens: 3 });
  const before = [published(2, 'qrs', 'length'), published(0, 'b'), published(0, 'c')];
  const group = await runGroup({
    taken: [{ ...list, lastSeq: before.length }],
    published: { [list.request.id]: before },
  });
  const stream = group.streams.get(list.request.id);
  assert.deepEqual(
    [0, 1, 2].map((choice) => textOf(stream, choice)),
    ['d', 'lmn', ''],
  );
  assertIdle(group);
});

const SCORED = { echo: true, sampling: { ...GREEDY, logprobs: { top: 2 } } };

/** Prompt and answer as a client sees them: all text, and every log-probability with its place. */
function wholeOf(events: readonly TokensEvent[]) {
  return {
    text: events.map(({ text }) => text).join(''),
    logprobs: events.flatMap(({ logprobs }) => logprobs ?? []),
    finish: events.at(-1)?.finish,
  };
}

test('an echo is the prompt and then the answer, with a log-probability for every token but the first', async () => {
  const prompt = 'grüße: a';
  const one = taken(prompt, { ...SCORED, maxTokens: 3 });
  const group = await runGroup({ taken: [one], maxRows: 4 });
  const { text, logprobs, finish } = wholeOf(group.streams.get(one.request.id)?.events ?? []);
  assert.deepEqual([text, finish], [`${prompt}bcd`, 'length']);
  assert.deepEqual(
    logprobs.map(({ id }) => id),
    bytesOf(`${prompt}bcd`),
  );
  // The engine's logits: 1 for the token behind the last one, 0 for all others.
  const likely = 1 - Math.log(Math.E + 256);
  const expected = logprobs.map(({ id }, at) => {
    if (at === 0) return null;
    return id === (logprobs[at - 1]?.id ?? 0) + 1 ? likely : likely - 1;
  });
  assert.ok(logprobs.every(({ logprob }, at) => Math.abs((logprob ?? 0) - (expected[at] ?? 0)) < 1e-6));
  assert.deepEqual([logprobs[0]?.logprob, logprobs[0]?.top], [null, []]);
  const offsets = [0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10];
  assert.deepEqual(
    logprobs.map(({ offset }) => offset),
    offsets,
  );
  assertIdle(group);
});

test('an echo alone generates nothing', async () => {
  const requests = [
    taken('prompt', { ...SCORED, maxTokens: 0 }),
    taken('prompt', { echo: true, maxTokens: 0 }),
    taken('p', { ...SCORED, maxTokens: 0 }),
  ];
  const group = await runGroup({ taken: requests, maxRows: 4 });
  const wholes = requests.map(({ request }) => wholeOf(group.streams.get(request.id)?.events ?? []));
  assert.deepEqual(
    wholes.map(({ text, finish }) => [text, finish]),
    [
      ['prompt', 'length'],
      ['prompt', 'length'],
      ['p', 'length'],
    ],
  );
  assert.deepEqual(
    wholes.map(({ logprobs }) => logprobs.length),
    [6, 0, 1],
  );
  for (const { request } of requests) {
    const stream = group.streams.get(request.id);
    assert.deepEqual([stream?.end?.outcome, stream?.events.flatMap(({ ids }) => ids)], ['finished', []]);
  }
  assertIdle(group);
});

test('an echo is the same with the prompt in the prefix cache, in any chunks, beside others, and after giving way', async () => {
  const prompt = 'a prompt of several blocks, whose end is: a';
  const ask = () => taken(prompt, { ...SCORED, maxTokens: 12 });
  const alone = ask();
  const expected = wholeOf((await runGroup({ taken: [alone] })).streams.get(alone.request.id)?.events ?? []);
  assert.equal(expected.logprobs.length, prompt.length + 12);
  for (const script of [{ maxRows: 3 }, { maxRows: 7, kvBlocks: 20 }, { kvBlocks: 16 }, { maxSequences: 1 }]) {
    const before = taken(prompt, { maxTokens: 2 });
    const all = [before, ask(), taken('k', { maxTokens: 9 }), ask()];
    const group = await runGroup({ taken: all, ...script });
    for (const { request } of all.filter(({ request }) => request.echo)) {
      assert.deepEqual(wholeOf(group.streams.get(request.id)?.events ?? []), expected, JSON.stringify(script));
    }
    assertIdle(group);
  }
});

test('an echo goes on behind whatever a predecessor published', async () => {
  const one = taken('the prompt is: a', { ...SCORED, maxTokens: 4 });
  const whole = (await runGroup({ taken: [one], maxRows: 5 })).streams.get(one.request.id)?.events ?? [];
  for (let cut = 0; cut < whole.length; cut += 1) {
    const before = whole.slice(0, cut);
    const group = await runGroup({
      taken: [{ ...one, lastSeq: cut }],
      published: { [one.request.id]: before },
      maxRows: 3,
    });
    const after = group.streams.get(one.request.id)?.events ?? [];
    assert.deepEqual(wholeOf([...before, ...after]), wholeOf(whole), `after ${cut} entries`);
    assertIdle(group);
  }
});
