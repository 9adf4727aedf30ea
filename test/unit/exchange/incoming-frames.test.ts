// Frames reach the step that waits for them: early ones later, late ones never.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameKind, LayerFrame } from '../../../infra/messages/layer-frame.ts';
import { frameSequence, stepPrefix } from '../../../workers/exchange/frame-id.ts';
import { IncomingFrames, Superseded } from '../../../workers/exchange/incoming-frames.ts';

const EPOCH = 3;
const point = (layer: number, kind: FrameKind = 'outputs') => ({ epoch: EPOCH, step: 1, layer, kind });

function frame(layer: number, changes: Partial<LayerFrame> = {}): LayerFrame {
  const sizes = { attempt: 0, rows: 1, width: 1, slots: 1, digest: 0, expertMicros: 0, padding: 0 };
  return { dtype: 'f32', ...sizes, body: new Uint8Array(4), ...point(layer), ...changes };
}

function begun(): IncomingFrames {
  const incoming = new IncomingFrames();
  incoming.beginEpoch(EPOCH);
  return incoming;
}

/** Collects from whom frames come until there are `count`. */
function collect(count: number): { readonly from: number[]; readonly accept: (from: number) => boolean } {
  const from: number[] = [];
  return { from, accept: (member) => from.push(member) === count };
}

test('hands over what came before the wait and what comes during it', async () => {
  const incoming = begun();
  incoming.arrive(1, frame(0));
  const { from, accept } = collect(2);
  const waiting = incoming.wait(point(0), accept, null);
  incoming.arrive(2, frame(0));
  await waiting;
  assert.deepEqual(from, [1, 2]);
});

test('keeps what is for later, drops what is late or of another epoch', async () => {
  const incoming = begun();
  const first = collect(1);
  const waiting = incoming.wait(point(1), first.accept, null);
  incoming.arrive(1, frame(2));
  incoming.arrive(2, frame(0));
  incoming.arrive(3, frame(1, { epoch: EPOCH - 1 }));
  incoming.arrive(4, frame(1, { kind: 'sums' }));
  incoming.arrive(5, frame(1));
  await waiting;
  assert.deepEqual(first.from, [5]);
  const sums = collect(1);
  await incoming.wait(point(1, 'sums'), sums.accept, null);
  const next = collect(1);
  await incoming.wait(point(2), next.accept, null);
  assert.deepEqual([sums.from, next.from], [[4], [1]]);
});

test('a failure reaches a waiting step in any layer', async () => {
  const incoming = begun();
  incoming.arrive(1, frame(9, { kind: 'failure' }));
  const { from, accept } = collect(1);
  await incoming.wait(point(0), accept, null);
  assert.deepEqual(from, [1]);
});

test('a newer epoch ends the wait, and waits for an older one do not begin', async () => {
  const incoming = begun();
  const waiting = incoming.wait(point(0), () => true, null);
  incoming.beginEpoch(EPOCH + 1);
  await assert.rejects(waiting, Superseded);
  await assert.rejects(
    incoming.wait(point(1), () => true, null),
    Superseded,
  );
});

test('an interruption between two waits meets the next one', async () => {
  const incoming = begun();
  incoming.interrupt(new Error('no more'));
  await assert.rejects(
    incoming.wait(point(0), () => true, null),
    /no more/,
  );
  incoming.beginEpoch(EPOCH + 1);
  incoming.arrive(1, frame(0, { epoch: EPOCH + 1 }));
  await incoming.wait({ ...point(0), epoch: EPOCH + 1 }, () => true, null);
});

test('the lateness callback is called repeatedly, until it throws or ends the wait', async () => {
  const incoming = begun();
  let asked = 0;
  const onLate = (): number | null => {
    asked += 1;
    return asked < 3 ? 1 : null;
  };
  await incoming.wait(point(0), () => true, { ms: 1, onLate });
  assert.equal(asked, 3);
  const refuse = (): never => {
    throw new Error('too late');
  };
  await assert.rejects(
    incoming.wait(point(1), () => true, { ms: 1, onLate: refuse }),
    /too late/,
  );
});

test('what accept throws ends the wait', async () => {
  const incoming = begun();
  const refuse = (): never => {
    throw new Error('unusable');
  };
  const waiting = incoming.wait(point(0), refuse, null);
  incoming.arrive(1, frame(0));
  await assert.rejects(waiting, /unusable/);
});

test('ids ascend with layer, attempt and piece, and steps with epoch', () => {
  const sequences = [frameSequence(0, 0, 0), frameSequence(0, 0, 4095), frameSequence(0, 1, 0), frameSequence(1, 0, 0)];
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
  );
  assert.ok((sequences[0] ?? 0) > 0);
  assert.ok(BigInt(stepPrefix(1, 2 ** 32 - 1)) < BigInt(stepPrefix(2, 0)));
});
