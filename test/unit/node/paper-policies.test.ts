import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { everyRouting, expectedLargestLoad } from '../../../workers/cluster/expected-load.ts';
import { disjointPlacement, groupPlacement, paperGroups } from '../../../workers/cluster/paper-groups.ts';
import { holdersOf } from '../../../workers/cluster/place-experts.ts';
import { ExpertAssigner } from '../../../workers/node/assign-experts.ts';
import { BusyFull, GroupRoundRobin, LeastRecentlyUsed } from '../../../workers/node/paper-policies.ts';

const everyDbrx = everyRouting(16, 4);

for (const [members, expected] of [
  [2, '2.646'],
  [3, '2.323'],
  [4, '1.569'],
  [6, '1.077'],
  [8, '1.000'],
] as const) {
  test(`fixed groups: the busiest of ${members} nodes computes ${expected} experts of DBRX`, () => {
    const assigner = new GroupRoundRobin(paperGroups(16, members), 4);
    assert.equal(expectedLargestLoad(assigner, everyDbrx, members).toFixed(3), expected);
  });
}

for (const [members, expected] of [
  [4, '1.969'],
  [8, '1.385'],
] as const) {
  test(`without replicas the busiest of ${members} nodes computes ${expected} experts`, () => {
    const holders = holdersOf(disjointPlacement(16, members), 16);
    assert.equal(
      expectedLargestLoad(new ExpertAssigner({ holders, members }), everyDbrx, members).toFixed(3),
      expected,
    );
  });
}

test('three nodes: eight experts on one, the other eight on two, as the authors have it', () => {
  assert.deepEqual(
    groupPlacement(paperGroups(16, 3)).map((held) => held[0]),
    [0, 8, 8],
  );
  assert.throws(() => paperGroups(16, 0), { code: 'bad_config' });
});

test('deals the experts of a group to its members in turn, restarting with every row', () => {
  const nodes = new Int32Array(8);
  new GroupRoundRobin(paperGroups(16, 4), 4).assign(Int32Array.of(0, 1, 2, 8, 3, 9, 10, 11), nodes);
  assert.deepEqual([...nodes], [0, 1, 0, 2, 0, 2, 3, 2]);
});

test('busy full: with the assigned experts each member computes all it holds', () => {
  const held = groupPlacement(paperGroups(8, 2));
  const extra = new BusyFull(held).extra(0, Int32Array.of(1, 6), Int32Array.of(0, 1));
  assert.deepEqual(extra, [
    [0, 2, 3],
    [4, 5, 7],
  ]);
});

test('pads every member up to the busiest with what it computed longest ago', () => {
  const padding = new LeastRecentlyUsed(groupPlacement(paperGroups(8, 2)), 1);
  assert.deepEqual(padding.extra(0, Int32Array.of(0, 1), Int32Array.of(0, 0)), [[], [4, 5]]);
  assert.deepEqual(padding.extra(0, Int32Array.of(6, 7), Int32Array.of(1, 1)), [[2, 3], []]);
  assert.deepEqual(padding.extra(0, Int32Array.of(2, 3), Int32Array.of(0, 0)), [[], [4, 5]]);
});

test('padding never adds an assigned expert, nor more than it takes to be as busy as the busiest', () => {
  const groups = paperGroups(16, 4);
  const held = groupPlacement(groups);
  const padding = new LeastRecentlyUsed(held, 1);
  const assigner = new GroupRoundRobin(groups, 4);
  fc.assert(
    fc.property(fc.shuffledSubarray([...Array(16).keys()], { minLength: 4, maxLength: 4 }), (experts) => {
      const nodes = new Int32Array(4);
      assigner.assign(Int32Array.from(experts), nodes);
      const own = held.map((_, member) => experts.filter((_expert, slot) => nodes[slot] === member));
      const busiest = Math.max(...own.map((list) => list.length));
      for (const [member, added] of padding.extra(0, Int32Array.from(experts), nodes).entries()) {
        const all = [...(own[member] ?? []), ...added];
        assert.equal(all.length, busiest);
        assert.equal(new Set(all).size, busiest);
        for (const expert of all) assert.ok(held[member]?.includes(expert));
      }
    }),
  );
});
