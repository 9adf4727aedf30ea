import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ShownLogprobs } from '../../../gateway/stream/shown-logprobs.ts';
import type { GenerationRequest } from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import { Answer } from '../../../workers/generation/answer.ts';
import { bytesOf, byteTokenizer, END } from '../../byte-tokenizer.ts';
import { makeRequest } from '../../queue-fixture.ts';

/** Pushes tokens until the answer ends. */
function push(ids: readonly number[], change: Partial<GenerationRequest> = {}): readonly TokensEvent[] {
  const answer = new Answer(makeRequest({ maxTokens: 100, ...change }), 0, byteTokenizer);
  const events: TokensEvent[] = [];
  for (const id of ids) {
    if (answer.finish === null) events.push(answer.push(id, null));
  }
  assert.equal(answer.generated, events.length);
  return events;
}

const textOf = (events: readonly TokensEvent[]) => events.map(({ text }) => text).join('');

test('gives out every token with its text', () => {
  const expected = { type: 'tokens', choice: 0, logprobs: null, finish: null };
  assert.deepEqual(push(bytesOf('hi')), [
    { ...expected, ids: [104], text: 'h' },
    { ...expected, ids: [105], text: 'i' },
  ]);
});

test('a stop token ends it without being text', () => {
  const events = push([...bytesOf('hi'), END, ...bytesOf('more')], { stopTokens: [END] });
  assert.deepEqual([textOf(events), events.length, events.at(-1)?.finish], ['hi', 3, 'stop']);
});

test('the token limit ends it with that reason', () => {
  const events = push(bytesOf('hello'), { maxTokens: 3 });
  assert.deepEqual([textOf(events), events.length, events.at(-1)?.finish], ['hel', 3, 'length']);
});

test('a stop token at the limit is a stop', () => {
  assert.equal(push([...bytesOf('hi'), END], { stopTokens: [END], maxTokens: 3 }).at(-1)?.finish, 'stop');
});

test('a stop string across tokens ends it and none of it is shown', () => {
  const events = push(bytesOf('one END two'), { stop: ['xxx', 'END'] });
  assert.deepEqual(
    events.map(({ text }) => text),
    ['o', 'n', 'e', ' ', '', '', ''],
  );
  assert.equal(events.at(-1)?.finish, 'stop');
});

test('text held back for a stop string that does not come follows later', () => {
  const events = push(bytesOf('aENd'), { stop: ['END'] });
  assert.deepEqual(
    events.map(({ text }) => text),
    ['a', '', '', 'ENd'],
  );
});

test('held-back text is shown when a stop token or the limit ends the answer', () => {
  assert.equal(textOf(push([...bytesOf('aEN'), END], { stop: ['END'], stopTokens: [END] })), 'aEN');
  assert.equal(textOf(push(bytesOf('aENDx'), { stop: ['END'], maxTokens: 3 })), 'aEN');
});

test('a stop string that is complete at the limit is a stop', () => {
  const events = push(bytesOf('aEND'), { stop: ['END'], maxTokens: 4 });
  assert.deepEqual([textOf(events), events.at(-1)?.finish], ['a', 'stop']);
});

test('a character of several tokens appears whole', () => {
  assert.deepEqual(
    push(bytesOf('é😀')).map(({ text }) => text),
    ['', 'é', '', '', '', '😀'],
  );
});

test('half a character at the end becomes a replacement character', () => {
  const [first, second] = bytesOf('😀');
  const events = push([...bytesOf('a'), first ?? 0, second ?? 0], { maxTokens: 3 });
  assert.deepEqual([textOf(events), events.at(-1)?.finish], ['a\uFFFD', 'length']);
});

/** Log-probabilities of the tokens of an answer, with what is shown of each event. */
function pushWithLogprobs(ids: readonly number[], change: Partial<GenerationRequest> = {}): readonly TokensEvent[] {
  const answer = new Answer(makeRequest({ maxTokens: 100, ...change }), 0, byteTokenizer);
  return ids.flatMap((id) => (answer.finish === null ? [answer.push(id, { id, logprob: -0.5, top: [] })] : []));
}

const offsetsOf = (events: readonly TokensEvent[]) =>
  events.flatMap(({ logprobs }) => (logprobs ?? []).map(({ offset }) => offset));

test('a log-probability has the place of its token in the text', () => {
  const logprob = { id: 104, logprob: -0.5, top: [] };
  const event = new Answer(makeRequest(), 1, byteTokenizer).push(104, logprob);
  assert.deepEqual([event.choice, event.logprobs], [1, [{ ...logprob, offset: 0 }]]);
  const events = pushWithLogprobs(bytesOf('aé😀b'));
  assert.deepEqual(offsetsOf(events), [0, 1, 1, 2, 2, 2, 2, 4], 'tokens of one character begin where it begins');
});

test('the end token is marked as one without text', () => {
  const last = pushWithLogprobs([...bytesOf('hi'), END], { stopTokens: [END] }).at(-1);
  assert.deepEqual(last?.logprobs, [{ id: END, logprob: -0.5, top: [], offset: 2, silent: true }]);
});

test('a chat shows the log-probabilities of what it shows, at the end and at every event before', () => {
  const stop = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), minLength: 1, maxLength: 3 }), {
    maxLength: 2,
  });
  const unit = fc.constantFrom(...['a', 'b', 'é', '😀'].map(bytesOf), [END]);
  const property = fc.property(stop, fc.array(unit, { maxLength: 12 }), (stops, units) => {
    const events = pushWithLogprobs(units.flat(), { stop: stops, stopTokens: [END], maxTokens: 30 });
    const shown = new ShownLogprobs();
    let text = '';
    let bytes = Buffer.alloc(0);
    for (const event of events) {
      text += event.text;
      bytes = Buffer.concat([bytes, ...shown.take(event).map(({ id }) => Uint8Array.of(id))]);
      assert.equal(bytes.toString(), text);
    }
  });
  fc.assert(property, { seed: 20_261_129, numRuns: 500 });
});

test('pushing published tokens again rebuilds it at any point', () => {
  const stop = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  });
  const ids = fc.array(fc.constantFrom(97, 98, 0xc3, 0xa9, END), { maxLength: 24 });
  const property = fc.property(stop, ids, fc.nat(24), (stops, tokens, cut) => {
    const change = { stop: stops, stopTokens: [END], maxTokens: 20 };
    const whole = push(tokens, change);
    const resumed = new Answer(makeRequest(change), 0, byteTokenizer);
    const before = whole.slice(0, cut);
    for (const { ids: published } of before) for (const id of published) resumed.push(id, null);
    const after = whole.slice(cut).map((event) => resumed.push(event.ids[0] ?? 0, null));
    assert.deepEqual([...before, ...after], whole);
    for (const each of stops) assert.ok(!textOf(whole).includes(each), 'no stop string is shown');
  });
  fc.assert(property, { seed: 20_261_122, numRuns: 500 });
});
