import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUFFERED_ENTRIES, type RawEntry, StreamBuffer } from '../../../gateway/stream/stream-buffer.ts';
import { SEED } from '../../fair-schedule.ts';

const entry = (seq: number): RawEntry => ({ seq, json: `{"entry":${seq}}` });
const entries = (from: number, to: number): RawEntry[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => entry(from + index));

function takeAll(buffer: StreamBuffer): number[] {
  const seqs: number[] = [];
  for (let next = buffer.take(); next !== null; next = buffer.take()) seqs.push(next.seq);
  return seqs;
}

/** Reads gaps from a stream of `length` entries until nothing is wanted; what the reader of gaps does. */
function fill(buffer: StreamBuffer, length: number, page: number): void {
  for (let from = buffer.wanted; from !== null; from = buffer.wanted) {
    buffer.read(entries(from, Math.min(length, from + page - 1)));
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), lost: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('push' as const), seq: fc.integer({ min: 1, max: 400 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('take' as const, 'look' as const, 'fill' as const) }) },
  ),
  { maxLength: 400 },
);

test('whatever is lost, repeated or reordered on the way, the consumer gets every entry once and in order', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 64 }), (run, from, page) => {
      const buffer = new StreamBuffer(from);
      const got: number[] = [];
      let length = 0;
      for (const step of run) {
        if (step.kind === 'write') {
          length += 1;
          if (!step.lost) buffer.push(entry(length));
        } else if (step.kind === 'push' && step.seq <= length) buffer.push(entry(step.seq));
        else if (step.kind === 'take') got.push(...[buffer.take()].flatMap((one) => (one === null ? [] : [one.seq])));
        else if (step.kind === 'look') buffer.observeLength(length);
        else if (step.kind === 'fill') fill(buffer, length, page);
      }
      buffer.observeLength(length);
      while (got.length < Math.max(0, length - from + 1)) {
        fill(buffer, length, page);
        got.push(...takeAll(buffer));
      }
      assert.deepEqual(
        got,
        entries(from, length).map(({ seq }) => seq),
      );
      assert.equal(buffer.diverged, false);
      assert.equal(buffer.wanted, null);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('a slow consumer costs no more than its buffer, and reads the rest from its cursor', () => {
  const buffer = new StreamBuffer(1);
  for (const one of entries(1, 1_000)) buffer.push(one);
  assert.equal(buffer.wanted, null, 'no room yet');
  assert.equal(takeAll(buffer).length, BUFFERED_ENTRIES);
  assert.equal(buffer.wanted, BUFFERED_ENTRIES + 1);
});

test('after a loss it waits, compares what is written again, and goes on behind it', () => {
  const buffer = new StreamBuffer(1);
  for (const one of entries(1, 20)) buffer.push(one);
  assert.equal(takeAll(buffer).length, 20);
  buffer.observeLength(15);
  assert.equal(buffer.wanted, null, 'nothing to read until the writer writes again');
  for (const one of entries(16, 18)) buffer.push(one);
  buffer.observeLength(21);
  assert.equal(buffer.wanted, 19, 'what push lost is read');
  fill(buffer, 21, 64);
  assert.deepEqual(takeAll(buffer), [21]);
  assert.equal(buffer.diverged, false);
});

test('an entry that comes back different after a loss is noticed', () => {
  const buffer = new StreamBuffer(1);
  for (const one of entries(1, 20)) buffer.push(one);
  buffer.observeLength(15);
  buffer.push({ seq: 16, json: '{"entry":"other"}' });
  assert.equal(buffer.diverged, true);
});

test('a resumed consumer that is ahead of the stream waits for its entry', () => {
  const buffer = new StreamBuffer(50);
  buffer.observeLength(10);
  for (const one of entries(11, 49)) buffer.push(one);
  assert.equal(buffer.take(), null);
  buffer.push(entry(50));
  assert.deepEqual(takeAll(buffer), [50]);
  assert.equal(buffer.diverged, false);
});
