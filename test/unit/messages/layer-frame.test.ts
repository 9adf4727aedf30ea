// Frames survive the way through pieces, and nothing else is taken for one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  encodeFrameHeader,
  HEADER_BYTES,
  type LayerFrame,
  PIECE_BYTES,
  piecesOf,
} from '../../../infra/messages/layer-frame.ts';
import { FrameAssembler } from '../../../workers/exchange/assemble-frames.ts';

const outputs = (slots: number, width: number, changes: Partial<LayerFrame> = {}): LayerFrame => ({
  kind: 'outputs',
  dtype: 'bf16',
  epoch: 7,
  step: 2 ** 32 - 1,
  layer: 39,
  attempt: 1,
  rows: slots,
  width,
  slots,
  digest: 0xdeadbeef,
  expertMicros: 1_234,
  padding: 0,
  body: Uint8Array.from({ length: slots * width * 2 }, (_, index) => index * 31),
  ...changes,
});

function entriesOf(frame: LayerFrame): [header: Buffer, chunk: Buffer][] {
  const body = Buffer.from(frame.body);
  return Array.from({ length: piecesOf(body.byteLength) }, (_, piece) => [
    encodeFrameHeader(frame, piece),
    body.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES),
  ]);
}

// The same literal is in test/native/layer-frame-test.cc.
test("a frame's header has the bytes that C++ writes", () => {
  const [, , last] = entriesOf(outputs(101, 3333, { padding: 5 }));
  const expected =
    '43564c460101010007000000ffffffff2700010002000300' +
    '65000000050d000065000000f2450a00efbeadded2040000' +
    '05000000000000000000000000000000';
  assert.equal(last?.[0].toString('hex'), expected);
});

for (const [name, frame] of Object.entries({
  'one piece': outputs(4, 1536),
  'no slots': outputs(0, 1536),
  'exactly one piece': outputs(2, PIECE_BYTES / 4),
  'three pieces, the last one short': outputs(101, 3333),
  sums: outputs(0, 100, { kind: 'sums', dtype: 'f32', rows: 3, body: new Uint8Array(1200).fill(9) }),
  work: outputs(3, 100, { kind: 'work', rows: 2, body: new Uint8Array(3 * 8 + 2 * 200).fill(5) }),
  'a failure of any length': outputs(0, 0, { kind: 'failure', body: Buffer.from('gone') }),
})) {
  test(`a frame comes back whole: ${name}`, () => {
    const assembler = new FrameAssembler();
    const frames = entriesOf(frame).map(([header, chunk]) => assembler.add(header, chunk));
    assert.ok(frames.slice(0, -1).every((none) => none === null));
    const last = frames.at(-1);
    assert.deepEqual({ ...last, body: null }, { ...frame, body: null });
    assert.ok(Buffer.from(frame.body).equals(last?.body ?? Buffer.alloc(0)));
  });
}

test('a header or chunk that was changed anywhere is refused or means what it says', () => {
  const frame = outputs(3, 10);
  const [entry] = entriesOf(frame);
  assert.ok(entry !== undefined);
  fc.assert(
    fc.property(fc.nat(HEADER_BYTES - 1), fc.nat(255), fc.integer({ min: -3, max: 3 }), (at, value, longer) => {
      const header = Buffer.from(entry[0]);
      header[at] = value;
      const chunk = Buffer.alloc(Math.max(0, entry[1].byteLength + longer));
      try {
        const read = new FrameAssembler().add(header, chunk);
        if (read !== null && read.kind !== 'failure') assert.equal(read.body.byteLength, chunk.byteLength);
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'internal', String(error));
      }
    }),
    { numRuns: 3_000, seed: 5 },
  );
});

for (const [name, spoil] of Object.entries({
  'a wrong magic': (header: Buffer) => header.writeUInt32LE(1, 0),
  'another version': (header: Buffer) => header.writeUInt8(9, 4),
  'a size that does not follow from rows and width': (header: Buffer) => header.writeUInt32LE(5, 32),
})) {
  test(`a frame with ${name} is refused`, () => {
    const [entry] = entriesOf(outputs(4, 16));
    assert.ok(entry !== undefined);
    spoil(entry[0]);
    assert.throws(() => new FrameAssembler().add(...entry), { code: 'internal', message: /^A frame / });
  });
}

test('a piece that is missing loses the frame, and the next frame is read again', () => {
  const assembler = new FrameAssembler();
  const [first, , third] = entriesOf(outputs(101, 3333));
  assert.ok(first !== undefined && third !== undefined);
  assembler.add(...first);
  assert.throws(() => assembler.add(...third), { code: 'internal', message: /does not follow/ });
  const [small] = entriesOf(outputs(1, 8));
  assert.ok(small !== undefined && assembler.add(...small) !== null);
});
