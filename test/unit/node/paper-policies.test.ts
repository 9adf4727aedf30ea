import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyRouting, expectedLargestLoad } from '../../../workers/cluster/expected-load.ts';
import { disjointPlacement, groupPlacement, paperGroups } from '../../../workers/cluster/paper-groups.ts';
import { holdersOf } from '../../../workers/cluster/place-experts.ts';
import { ExpertAssigner } from '../../../workers/node/assign-experts.ts';

const everyDbrx = everyRouting(16, 4);

for (const [members, expected] of [
  [2, '2.646'],
  [3, '2.323'],
  [4, '1.569'],
  [6, '1.077'],
  [8, '1.000'],
] as const) {
  test(`fixed groups: the busiest of ${members} nodes computes ${expected} experts of DBRX`, () => {
    const holders = holdersOf(groupPlacement(paperGroups(16, members)), 16);
    const assigner = new ExpertAssigner({ holders, members, policy: { name: 'deal', topK: 4 } });
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
