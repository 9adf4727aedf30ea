// Tokens that a generation group holds for a moment before it writes them: when they are written, and that it changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { SEED } from '../../fair-schedule.ts';
import { makeRequest } from '../../queue-fixture.ts';
import { BROKEN, runGroup, type ScriptedGroup, taken, textOf } from './scripted-group.ts';

const FINISHED = { outcome: 'finished', error: null, cachedTokens: 0 };

function assertIdle({ scheduler, observed }: ScriptedGroup): void {
  assert.deepEqual([scheduler.running, scheduler.waiting, scheduler.kvUse, observed.size], [0, 0, 0, 0]);
}

const NEVER_MS = 1_000_000;

test('tokens that are held are written with the last one of the answer', async () => {
  const one = taken('a', { maxTokens: 9 });
  const group = await runGroup({ taken: [one], eventIntervalMs: NEVER_MS });
  const stream = group.streams.get(one.request.id);
  assert.deepEqual([textOf(stream), stream?.writes, stream?.end], ['bcdefghij', 2, FINISHED]);
});

test('tokens that are held are written before the end of a cancelled or failed answer', async () => {
  const [cancelled, broken] = [taken('a'), taken(String.fromCharCode(BROKEN.charCodeAt(0) - 4))];
  const onStep = (number: number, group: ScriptedGroup) => {
    if (number === 4) group.cancel(cancelled.request.id);
  };
  const group = await runGroup({ taken: [cancelled, broken], onStep, eventIntervalMs: NEVER_MS });
  const streams = [cancelled, broken].map(({ request }) => group.streams.get(request.id));
  assert.deepEqual(
    streams.map((stream) => [stream?.events.length, stream?.end?.outcome]),
    [
      [4, 'cancelled'],
      [4, 'failed'],
    ],
  );
  assertIdle(group);
});

test('tokens that are held are written before their request is given back', async () => {
  const one = taken('a');
  const onStep = (number: number, group: ScriptedGroup) => {
    if (number === 5) group.stop();
  };
  const group = await runGroup({ taken: [one], onStep, eventIntervalMs: NEVER_MS });
  assert.deepEqual([textOf(group.streams.get(one.request.id)), group.released], ['bcdef', [one.request.id]]);
});

test('tokens that are held are written while a long step runs', async () => {
  const one = taken('a');
  let written = 0;
  const onStep = async (number: number, group: ScriptedGroup) => {
    // Time for Redis to answer.
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    if (number !== 4) return;
    // No further step will end before these are written.
    const events = group.streams.get(one.request.id)?.events ?? [];
    for (const deadline = Date.now() + 10_000; events.length < 3 && Date.now() < deadline; ) await delay(5);
    written = events.length;
  };
  await runGroup({ taken: [one], onStep, eventIntervalMs: 100 });
  assert.equal(written, 3);
});

test('however long tokens are held, every choice gets the same events in the same order', async () => {
  const sampling = { ...makeRequest().sampling, temperature: 1, logitBias: [[BROKEN.charCodeAt(0), -100]] as const };
  const stopTokens = Array.from({ length: 20 }, (_, index) => index + 200);
  const schedule = fc.record({
    requests: fc.array(
      fc.record({ choices: fc.integer({ min: 1, max: 3 }), maxTokens: fc.integer({ min: 1, max: 20 }) }),
      { minLength: 1, maxLength: 4 },
    ),
    kvBlocks: fc.integer({ min: 24, max: 64 }),
    eventIntervalMs: fc.constantFrom(1, 3, NEVER_MS),
    waits: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 10 }),
  });
  await fc.assert(
    fc.asyncProperty(schedule, async ({ requests, kvBlocks, eventIntervalMs, waits }) => {
      const all = requests.map((request) => taken('a', { ...request, sampling, stopTokens }));
      const onStep = (number: number) => delay(waits[number % waits.length]);
      const atOnce = await runGroup({ taken: all, kvBlocks });
      const held = await runGroup({ taken: all, kvBlocks, eventIntervalMs, onStep });
      for (const { request } of all) {
        const [one, other] = [atOnce, held].map((group) => group.streams.get(request.id));
        assert.deepEqual([other?.events, other?.end], [one?.events, one?.end]);
      }
    }),
    { seed: SEED, numRuns: 30 },
  );
});
