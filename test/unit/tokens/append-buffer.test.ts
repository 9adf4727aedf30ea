import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppendBuffer } from '../../../workers/tokens/append-buffer.ts';
import type { TokenAppend } from '../../../workers/tokens/append-tokens.ts';
import { SEED } from '../../fair-schedule.ts';
import { tokensEvent } from '../../queue-fixture.ts';

const append = (seq: number, id = 'one'): TokenAppend => ({ id, seq, event: tokensEvent(seq) });
const last = (seq: number): TokenAppend => ({ ...append(seq), event: { ...tokensEvent(seq), finish: 'stop' } });

/** Has written entry 1 at 0 ms. */
function afterFirst(intervalMs: number): AppendBuffer {
  const held = new AppendBuffer(intervalMs);
  held.add([append(1)]);
  held.take(0);
  return held;
}

test('the first token of a stream goes at once, whenever another was written', () => {
  const held = afterFirst(30);
  held.add([append(1, 'other')]);
  assert.equal(held.isDue(1), true);
});

test('a token that comes sooner than the interval waits for it', () => {
  const held = afterFirst(30);
  held.add([append(2)]);
  assert.equal(held.isDue(29), false);
  assert.equal(held.isDue(30), true);
});

test('a step longer than the interval writes its token at once', () => {
  const held = afterFirst(30);
  for (const [seq, nowMs] of [
    [2, 31],
    [3, 62],
    [4, 93],
  ] as const) {
    held.add([append(seq)]);
    assert.equal(held.isDue(nowMs), true);
    assert.equal(held.take(nowMs).length, 1);
  }
});

test('the last token of a choice takes those before it along', () => {
  const held = afterFirst(30);
  held.add([append(2)]);
  held.add([last(3)]);
  assert.equal(held.isDue(2), true);
  assert.deepEqual(held.take(2), [append(2), last(3)]);
  assert.equal(held.isDue(100), false, 'nothing is left');
});

test('an interval of 0 holds nothing', () => {
  const held = afterFirst(0);
  held.add([append(2)]);
  assert.equal(held.isDue(0), true);
});

test('many are written whatever the time is', () => {
  const held = afterFirst(1000);
  for (let seq = 2; seq <= 128; seq += 1) held.add([append(seq)]);
  assert.equal(held.isDue(1), false);
  held.add([append(129)]);
  assert.equal(held.isDue(1), true);
});

test('without the end of a step they wait twice the interval', () => {
  const held = afterFirst(30);
  assert.equal(held.flushDelayMs(10), 50);
  assert.equal(held.flushDelayMs(70), 0);
});

test('whatever the schedule, all come out once and in order, and none that is written at every step waits longer', () => {
  const steps = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 50 }), tokens: fc.integer({ min: 0, max: 9 }) }));
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 60 }), (run, intervalMs) => {
      const held = new AppendBuffer(intervalMs);
      const out: number[] = [];
      let [seq, nowMs, writtenMs] = [0, 0, Number.NEGATIVE_INFINITY];
      for (const { ms, tokens } of run) {
        nowMs += ms;
        held.add(Array.from({ length: tokens }, () => append(++seq)));
        if (held.isDue(nowMs)) {
          out.push(...held.take(nowMs).map((one) => one.seq));
          writtenMs = nowMs;
        }
        assert.ok(held.size === 0 || nowMs - writtenMs < intervalMs);
      }
      out.push(...held.take(nowMs).map((one) => one.seq));
      assert.deepEqual(
        out,
        Array.from({ length: seq }, (_, index) => index + 1),
      );
    }),
    { seed: SEED },
  );
});
