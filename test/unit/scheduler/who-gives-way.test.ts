import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Holding, whoGivesWay } from '../../../workers/scheduler/who-gives-way.ts';

function holding(id: string, change: Partial<Holding> = {}): Holding {
  return { id, queue: id.slice(0, 1), weight: 1, isLater: true, amount: 1, ...change };
}

function claim(change: Partial<Parameters<typeof whoGivesWay>[0]> = {}) {
  return { queue: 'z', weight: 1, amount: 1, lacking: 1, ...change };
}

test('the newest answer of the tenant that is furthest above its share gives way', () => {
  const holdings = ['a1', 'b1', 'a2', 'b2', 'b3', 'a3'].map((id) => holding(id));
  const heavier = holdings.map((each) => ({ ...each, weight: each.queue === 'b' ? 1 : 1.5 }));
  assert.deepEqual(whoGivesWay(claim(), heavier, 6), ['b3']);
});

test('no answer gives way to a tenant that would then hold more than its share', () => {
  const holdings = ['a1', 'a2', 'z1'].map((id) => holding(id));
  assert.deepEqual(whoGivesWay(claim(), holdings, 3), []);
  assert.deepEqual(whoGivesWay(claim({ weight: 3 }), holdings, 3), ['a2']);
});

test('no answer gives way to a tenant whose turn comes later', () => {
  const holdings = ['a1', 'a2', 'a3'].map((id) => holding(id, { isLater: false }));
  assert.deepEqual(whoGivesWay(claim(), holdings, 3), []);
});

test('with more tenants than places each is entitled to one', () => {
  assert.deepEqual(whoGivesWay(claim(), [holding('a1'), holding('b1'), holding('b2')], 3), ['b2']);
  assert.deepEqual(whoGivesWay(claim(), [holding('a1'), holding('b1'), holding('c1')], 3), []);
});

test('as many answers give way as what is lacking takes, or none', () => {
  const holdings = [holding('a1', { amount: 30 }), holding('a2', { amount: 30 }), holding('a3', { amount: 30 })];
  assert.deepEqual(whoGivesWay(claim({ amount: 40, lacking: 40 }), holdings, 100), ['a3', 'a2']);
  assert.deepEqual(whoGivesWay(claim({ amount: 40, lacking: 30 }), holdings, 100), ['a3']);
  assert.deepEqual(whoGivesWay(claim({ amount: 50, lacking: 80 }), holdings, 100), []);
});

test('no answer gives way to one that would have to give way to it', () => {
  const holder = fc.record({
    queue: fc.constantFrom('a', 'b', 'c', 'z'),
    amount: fc.integer({ min: 1, max: 9 }),
  });
  const weights = fc.record({
    a: fc.constantFrom(1, 2, 0.3),
    b: fc.constant(1),
    c: fc.constant(5),
    z: fc.constantFrom(1, 3),
  });
  const property = fc.property(
    fc.array(holder, { maxLength: 12 }),
    weights,
    fc.integer({ min: 1, max: 9 }),
    (held, by, amount) => {
      const holdings = held.map(({ queue, amount: of }, index) =>
        holding(`${queue}${index}`, { weight: by[queue], amount: of }),
      );
      const capacity = holdings.reduce((sum, each) => sum + each.amount, 0);
      const asks = claim({ weight: by.z, amount, lacking: amount });
      const leaving = whoGivesWay(asks, holdings, capacity);
      const stays = holdings.filter(({ id }) => !leaving.includes(id));
      const after = [...stays, holding('z-new', { weight: by.z, amount })];
      for (const id of leaving) {
        const left = holdings.find((each) => each.id === id) ?? holding(id);
        const back = claim({ queue: left.queue, weight: left.weight, amount: left.amount, lacking: left.amount });
        assert.ok(!whoGivesWay(back, after, capacity).includes('z-new'));
      }
    },
  );
  fc.assert(property, { seed: 20_261_129, numRuns: 2_000 });
});
