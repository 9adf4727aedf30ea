// A generation group on a scripted model: admission, batches, cancellation, failures, takeover and drain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { regularExpression } from '../../../gateway/constraint/regular-expression.ts';
import { type GenerationRequest, GREEDY } from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import type { HeldJob, Line } from '../../../workers/queue/read-line.ts';
import type { TakenGeneration } from '../../../workers/queue/taken-generation.ts';
import { StepDeferred } from '../../../workers/step/run-step.ts';
import { bytesOf } from '../../byte-tokenizer.ts';
import { makeRequest } from '../../queue-fixture.ts';
import { BROKEN, runGroup, type ScriptedGroup, taken, textOf } from './scripted-group.ts';

const FINISHED = { outcome: 'finished', error: null, cachedTokens: 0 };

const CANCELLED = { outcome: 'cancelled', error: null, cachedTokens: 0 };

function assertIdle({ scheduler, observed }: ScriptedGroup): void {
  assert.deepEqual([scheduler.running, scheduler.waiting, scheduler.kvUse, observed.size], [0, 0, 0, 0]);
}

function published(choice: number, text: string, finish: TokensEvent['finish'] = null): TokensEvent {
  return { type: 'tokens', choice, ids: bytesOf(text), text, logprobs: null, finish };
}

test('an answer of one token is that token and the end', async () => {
  const one = taken('a', { maxTokens: 1 });
  const group = await runGroup({ taken: [one] });
  const stream = group.streams.get(one.request.id);
  assert.deepEqual(stream, { events: [published(0, 'b', 'length')], end: FINISHED, writes: 1, job: null });
  assertIdle(group);
});

test('a stop token as the first token is an answer without text', async () => {
  const one = taken('a', { stopTokens: bytesOf('b') });
  const group = await runGroup({ taken: [one] });
  const stream = group.streams.get(one.request.id);
  assert.deepEqual(stream?.events, [{ ...published(0, 'b', 'stop'), text: '' }]);
  assert.deepEqual(stream?.end, FINISHED);
});

test('requests in one batch get what they get alone', async () => {
  const all = ['a', 'k', 'prompt of many rows: a'].map((prompt) => taken(prompt, { maxTokens: 5 }));
  const group = await runGroup({ taken: all, maxRows: 8 });
  assert.deepEqual(
    all.map(({ request }) => textOf(group.streams.get(request.id))),
    ['bcdef', 'lmnop', 'bcdef'],
  );
  assertIdle(group);
});

test('64 answers that end in the same step all end, and leave nothing behind', async () => {
  const all = Array.from({ length: 64 }, () => taken('a', { maxTokens: 5 }));
  const group = await runGroup({ taken: all, maxSequences: 64, kvBlocks: 64 * 3 });
  for (const { request } of all) {
    const stream = group.streams.get(request.id);
    assert.deepEqual([textOf(stream), stream?.end, stream?.job], ['bcdef', FINISHED, null]);
  }
  assertIdle(group);
});

test('requests wait while the KV cache is full, and give way when it fills up: each gets what it gets alone', async () => {
  const all = Array.from({ length: 12 }, (_, index) => taken(`${index} prompt: a`, { maxTokens: 15 }));
  const group = await runGroup({ taken: all, kvBlocks: 7 });
  for (const { request } of all) assert.equal(textOf(group.streams.get(request.id)), 'bcdefghijklmnop');
  assertIdle(group);
});

test('a prompt that fills the whole KV cache is answered, beside others', async () => {
  const large = taken(`${'x'.repeat(62)}a`, { maxTokens: 1 });
  const [before, after] = [taken('k', { maxTokens: 2 }), taken('l', { maxTokens: 2 })];
  const group = await runGroup({ taken: [before, large, after], kvBlocks: 16, maxRows: 8 });
  const texts = [large, before, after].map(({ request }) => textOf(group.streams.get(request.id)));
  assert.deepEqual(texts, ['b', 'lm', 'mn']);
  assertIdle(group);
});

test('a cancelled request that waits never starts, and the others go on', async () => {
  const [runs, waits] = [taken('a'), taken('k')];
  const onStep = (number: number, group: ScriptedGroup) => {
    if (number === 3) group.cancel(waits.request.id);
  };
  const group = await runGroup({ taken: [runs, waits], maxSequences: 1, onStep });
  assert.deepEqual(group.streams.get(waits.request.id), { events: [], end: CANCELLED, writes: 0, job: null });
  assert.equal(textOf(group.streams.get(runs.request.id)), 'bcdefghijk');
  assertIdle(group);
});

test('a cancelled request stops between two pieces of its prompt', async () => {
  const one = taken('a prompt of five pieces');
  let steps = 0;
  const group = await runGroup({
    taken: [one],
    maxRows: 5,
    onStep: (number, running) => {
      steps = number;
      if (number === 2) running.cancel(one.request.id);
    },
  });
  assert.equal(steps, 2);
  assert.deepEqual(group.streams.get(one.request.id), { events: [], end: CANCELLED, writes: 0, job: null });
  assertIdle(group);
});

test('a cancelled answer stops within one step', async () => {
  const one = taken('a');
  const onStep = (number: number, group: ScriptedGroup) => {
    if (number === 4) group.cancel(one.request.id);
  };
  const group = await runGroup({ taken: [one], onStep });
  assert.equal(textOf(group.streams.get(one.request.id)), 'bcde');
  assert.deepEqual(group.streams.get(one.request.id)?.end, CANCELLED);
  assertIdle(group);
});

test('a step that is given back changes no answer, and what was cancelled meanwhile ends', async () => {
  const [stays, goes] = [taken('a', { maxTokens: 10 }), taken('k', { maxTokens: 10 })];
  const onStep = (number: number, group: ScriptedGroup) => {
    if (number < 5 || number > 7) return;
    if (number === 6) group.cancel(goes.request.id);
    throw new StepDeferred('waits for a node');
  };
  const group = await runGroup({ taken: [stays, goes], onStep });
  assert.equal(textOf(group.streams.get(stays.request.id)), 'bcdefghijk');
  const text = textOf(group.streams.get(goes.request.id));
  assert.ok(text.length > 0 && text.length < 5 && 'lmno'.startsWith(text), text);
  assert.deepEqual(group.streams.get(goes.request.id)?.end, CANCELLED);
  assertIdle(group);
});

test('a request that was cancelled before it was taken ends as cancelled', async () => {
  const one = { ...taken('a'), cancelled: true };
  const group = await runGroup({ taken: [one] });
  assert.deepEqual(group.streams.get(one.request.id), { events: [], end: CANCELLED, writes: 0, job: null });
});

test('a request beyond the whole KV cache fails and says so', async () => {
  const [large, fits] = [taken('a', { maxTokens: 16 }), taken('a', { maxTokens: 15 })];
  const group = await runGroup({ taken: [large, fits], kvBlocks: 4 });
  const message =
    'The request needs 17 tokens of KV cache, more than this worker has. Shorten the prompt or lower max_tokens.';
  assert.deepEqual(group.streams.get(large.request.id), {
    events: [],
    end: { outcome: 'failed', error: { code: 'generation_failed', message }, cachedTokens: 0 },
    writes: 0,
    job: message,
  });
  assert.equal(textOf(group.streams.get(fits.request.id)), 'bcdefghijklmnop');
  assertIdle(group);
});

test('logits that are not numbers fail their request with all its choices, and no other', async () => {
  const broken = taken(`a${BROKEN}`, { choices: 2 });
  const sound = taken('a');
  const group = await runGroup({ taken: [broken, sound] });
  const stream = group.streams.get(broken.request.id);
  assert.deepEqual(
    [stream?.events, stream?.end?.outcome, stream?.end?.error?.code],
    [[], 'failed', 'generation_failed'],
  );
  assert.equal(textOf(group.streams.get(sound.request.id)), 'bcdefghijk');
  assertIdle(group);
});

test('goes on behind what a predecessor published, choice by choice', async () => {
  const one = { ...taken('a', { choices: 2, maxTokens: 6 }), lastSeq: 3 };
  const before = [published(0, 'b'), published(1, 'r'), published(0, 'c')];
  const group = await runGroup({ taken: [one], published: { [one.request.id]: before } });
  const stream = group.streams.get(one.request.id);
  assert.deepEqual([textOf(stream, 0), textOf(stream, 1)], ['defg', 'stuvw']);
  assert.deepEqual(stream?.end, FINISHED);
});

test('what an answer must match goes on wherever a predecessor stopped', async () => {
  const constraint = compileConstraint(regularExpression('b(?:[x-z]{2}){2}(?:-[0-9]{1,4}){1,2};'));
  const asked = { maxTokens: 40, constraint, sampling: { ...GREEDY, temperature: 1, seed: 6 } };
  const alone = taken('a', asked);
  const whole = (await runGroup({ taken: [alone] })).streams.get(alone.request.id)?.events ?? [];
  const text = whole.map((event) => event.text).join('');
  assert.match(text, /^b(?:[x-z]{2}){2}(?:-[0-9]{1,4}){1,2};$/);
  for (let cut = 1; cut < whole.length; cut += 1) {
    const again = { ...alone, lastSeq: cut };
    const group = await runGroup({ taken: [again], published: { [alone.request.id]: whole.slice(0, cut) } });
    assert.deepEqual(group.streams.get(alone.request.id)?.events, whole.slice(cut));
  }
});

test('does not continue a choice that a predecessor finished', async () => {
  const one = { ...taken('a', { choices: 3, maxTokens: 2 }), lastSeq: 3 };
  const before = [published(0, 'b'), published(1, 'r'), published(0, 'c', 'length')];
  const group = await runGroup({ taken: [one], published: { [one.request.id]: before } });
  const stream = group.streams.get(one.request.id);
  assert.deepEqual([textOf(stream, 0), textOf(stream, 1), textOf(stream, 2)], ['', 's', 'bc']);
  assert.deepEqual(stream?.end, FINISHED);
  assertIdle(group);
});

test('only ends a request whose choices all had finished', async () => {
  const one = { ...taken('a', { maxTokens: 1 }), lastSeq: 1 };
  const group = await runGroup({ taken: [one], published: { [one.request.id]: [published(0, 'b', 'length')] } });
  assert.deepEqual(group.streams.get(one.request.id), { events: [], end: FINISHED, writes: 0, job: null });
});

test('drops a request that ended elsewhere while a step ran', async () => {
  const [lost, other] = [taken('a', { maxTokens: 20 }), taken('k')];
  const onStep = async (number: number, group: ScriptedGroup) => {
    if (number === 6) group.endElsewhere(lost.request.id);
    // Long enough for the refusal of the step before to arrive.
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  };
  const group = await runGroup({ taken: [lost, other], onStep });
  const stream = group.streams.get(lost.request.id);
  assert.equal(stream?.end, null);
  assert.equal(stream?.job, 'ended elsewhere');
  assert.ok(textOf(stream).length < 20);
  assert.equal(textOf(group.streams.get(other.request.id)), 'lmnopqrstu');
  assertIdle(group);
});

test('gives back what has not ended when the time to drain is over', async () => {
  const one = taken('a');
  const onStep = (number: number, group: ScriptedGroup) => {
    if (number === 3) group.stop();
  };
  const group = await runGroup({ taken: [one], onStep });
  assert.deepEqual(group.released, [one.request.id]);
  assert.equal(textOf(group.streams.get(one.request.id)), 'bcd');
  assert.equal(group.streams.get(one.request.id)?.end, null);
  assertIdle(group);
});

test('a takeover at any step changes no token of any choice', async () => {
  const sampling = { ...makeRequest().sampling, temperature: 1, logitBias: [[BROKEN.charCodeAt(0), -100]] as const };
  // About one token in six ends a choice, so the choices end at different steps.
  const stopTokens = Array.from({ length: 40 }, (_, index) => index + 200);
  const one = taken('a', { id: 'moved', choices: 3, maxTokens: 12, sampling, stopTokens });
  const undisturbed = (await runGroup({ taken: [one] })).streams.get('moved')?.events ?? [];
  assert.equal(new Set(undisturbed.map(({ choice }) => choice)).size, 3);
  for (let cut = 1; cut <= 12; cut += 1) {
    const onStep = (number: number, group: ScriptedGroup) => {
      if (number === cut) group.stop();
    };
    const before = (await runGroup({ taken: [one], onStep })).streams.get('moved')?.events ?? [];
    const resumed = { ...one, lastSeq: before.length };
    const after = await runGroup({ taken: [resumed], published: { moved: before } });
    const events = [...before, ...(after.streams.get('moved')?.events ?? [])];
    for (const choice of [0, 1, 2]) {
      const of = (all: readonly TokensEvent[]) => all.filter((event) => event.choice === choice);
      assert.deepEqual(of(events), of(undisturbed), `choice ${choice}, taken over after step ${cut}`);
    }
  }
});

/** The line of a tenant that waits beside what the group holds of others; null when nothing of it is in the queue. */
function lineOf(tenant: string, held: readonly TakenGeneration[]) {
  return (_waitingHere: string | null, queue: readonly TakenGeneration[]): Line | null =>
    queue.some(({ request }) => request.tenant === tenant)
      ? { queue: tenant, weight: 1, held: held.map(({ request }) => jobOf(request)) }
      : null;
}

function jobOf({ id, tenant }: GenerationRequest): HeldJob {
  return { id, queue: tenant, weight: 1, isLater: true };
}

test('in a full group the newest answer gives way, and goes on with the same text when it is taken again', async () => {
  const [old, newest] = [taken('a', { maxTokens: 6 }), taken('k', { maxTokens: 6 })];
  const other = taken('x', { maxTokens: 2, tenant: 'other' });
  const published: Record<string, readonly TokensEvent[]> = {};
  const group = await runGroup({
    taken: [old, newest],
    arrivals: new Map([[3, other]]),
    published,
    maxGenerations: 2,
    readLine: lineOf('other', [old, newest]),
    onRelease: (id, queue, streams) => {
      published[id] = streams.get(id)?.events.splice(0) ?? [];
      queue.push({ ...newest, lastSeq: published[id]?.length ?? 0 });
    },
  });
  assert.deepEqual(group.released, [newest.request.id]);
  assert.equal(textOf(group.streams.get(old.request.id)), 'bcdefg');
  assert.equal(textOf(group.streams.get(other.request.id)), 'yz');
  const before = (published[newest.request.id] ?? []).map(({ text }) => text).join('');
  assert.equal(before + textOf(group.streams.get(newest.request.id)), 'lmnopq');
  assertIdle(group);
});

test('an answer gives its blocks to a prompt that has no room beside answers above their share', async () => {
  const held = [taken('aaaaaaaaaaaa', { maxTokens: 20 }), taken('kkkkkkkkkkkk', { maxTokens: 20 })];
  const other = taken('xxxxxxxx', { maxTokens: 2, tenant: 'other' });
  const group = await runGroup({
    taken: held,
    arrivals: new Map([[3, other]]),
    kvBlocks: 10,
    readLine: (waitingHere) =>
      waitingHere === other.request.id
        ? { queue: 'other', weight: 1, held: held.map(({ request }) => jobOf(request)) }
        : null,
  });
  assert.deepEqual(group.released, [held[1]?.request.id]);
  assert.equal(textOf(group.streams.get(other.request.id)), 'yz');
  assert.equal(textOf(group.streams.get(held[0]?.request.id ?? '')).length, 20);
});
