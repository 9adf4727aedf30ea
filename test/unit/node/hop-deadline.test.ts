import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HopDeadline } from '../../../workers/node/hop-deadline.ts';

test('what is normal is the longest recent wait of steps of about as many rows', () => {
  const deadline = new HopDeadline({ floorMs: 100, factor: 10 });
  const normalMs = (rows: number): number => deadline.terms(rows).normalMs;
  assert.deepEqual(deadline.terms(1), { floorMs: 100, factor: 10, normalMs: 0 });
  deadline.answered(2, 40);
  deadline.answered(3, 5);
  assert.ok(normalMs(2) > 39 && normalMs(3) === normalMs(2));
  assert.equal(normalMs(1), 0, 'steps of other sizes take another time');
  assert.equal(normalMs(4), 0);
  for (let times = 0; times < 500; times += 1) deadline.answered(2, 0.1);
  assert.ok(normalMs(2) < 0.5, 'one long wait is forgotten');
});
