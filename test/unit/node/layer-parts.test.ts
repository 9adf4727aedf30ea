// The pure parts of a layer: lists of slots, digest, rows' owners, deadlines, work frames.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exchangeMode, ownedRows } from '../../../workers/node/exchange-mode.ts';
import { HopDeadline } from '../../../workers/node/hop-deadline.ts';
import { routingDigest } from '../../../workers/node/routing-digest.ts';
import { SlotLists } from '../../../workers/node/slot-lists.ts';
import { decodeWork, encodeWork } from '../../../workers/node/work-body.ts';

test('each member gets its slots, ascending, fill after fill', () => {
  const lists = new SlotLists(64, 4);
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 64 }), (nodes) => {
      lists.fill(Int32Array.from(nodes), nodes.length);
      for (let member = 0; member < 4; member += 1) {
        const expected = nodes.flatMap((node, slot) => (node === member ? [slot] : []));
        assert.deepEqual([...lists.of(member)], expected);
        assert.equal(lists.count(member), expected.length);
      }
    }),
    { seed: 3 },
  );
});

test('the digest tells experts and single bits of weights apart', () => {
  const experts = Int32Array.of(3, 1, 2, 0);
  const weights = Float32Array.of(0.5, 0.25, 0.125, 0.125);
  const digest = routingDigest(experts, weights);
  assert.equal(routingDigest(experts.slice(), weights.slice()), digest);
  assert.notEqual(routingDigest(Int32Array.of(3, 1, 0, 2), weights), digest);
  assert.notEqual(routingDigest(experts, Float32Array.of(0.5, 0.25, 0.125, 0.12500001)), digest);
  assert.notEqual(routingDigest(experts, Float32Array.of(0.5, 0.25, 0.125, -0.125)), digest);
});

test('rows have owners when that saves bytes, and every row has one', () => {
  assert.equal(exchangeMode({ rows: 16, topK: 4, members: 4, activationBytes: 2 }), 'all');
  assert.equal(exchangeMode({ rows: 17, topK: 4, members: 4, activationBytes: 2 }), 'owners');
  assert.equal(exchangeMode({ rows: 512, topK: 4, members: 2, activationBytes: 2 }), 'all');
  assert.equal(exchangeMode({ rows: 512, topK: 1, members: 4, activationBytes: 2 }), 'all');
  for (const rows of [17, 18, 100]) {
    const owned = [0, 1, 2].map((member) => ownedRows(member, 3, rows));
    assert.deepEqual([owned[0]?.[0], owned[2]?.[1]], [0, rows]);
    assert.deepEqual(owned[0]?.[1], owned[1]?.[0]);
    assert.deepEqual(owned[1]?.[1], owned[2]?.[0]);
  }
});

test('deadlines follow what was normal lately, and the work at hand', () => {
  const deadline = new HopDeadline({ floorMs: 100, factor: 10 });
  assert.equal(deadline.ms(1, 5), 150);
  deadline.answered(2, 40);
  assert.equal(deadline.ms(3, 5), 500);
  assert.equal(deadline.ms(1, 5), 150, 'steps of other sizes take another time');
  assert.equal(deadline.ms(4, 70), 800);
  for (let times = 0; times < 500; times += 1) deadline.answered(2, 0.1);
  assert.ok(deadline.ms(2, 0) < 105, 'one long wait is forgotten');
});

test('work carries every row once, and padding computes with one of them', () => {
  const rowBytes = 3;
  const hidden = Uint8Array.from({ length: 4 * rowBytes }, (_, index) => index);
  const experts = Int32Array.of(9, 8, 7, 6, 5, 4, 3, 2);
  const { body, rows } = encodeWork(Int32Array.of(2, 3, 7), [1], { topK: 2, rowBytes, experts }, hidden);
  assert.equal(rows, 2);
  const sizes = { attempt: 0, rows, width: 3, slots: 4, digest: 0, expertMicros: 0, padding: 1 };
  const point = { kind: 'work', dtype: 'f32', epoch: 1, step: 1, layer: 5 } as const;
  const work = decodeWork({ ...point, ...sizes, body }, new Uint8Array(0));
  assert.deepEqual([...work.rows], [0, 0, 1, 0]);
  assert.deepEqual([...work.experts], [7, 6, 2, 1]);
  assert.deepEqual([...(work.hidden?.data ?? [])], [3, 4, 5, 9, 10, 11]);
  assert.equal(work.layer, 5);
});
