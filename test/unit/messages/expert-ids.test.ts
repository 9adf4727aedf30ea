import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeExpertIds, encodeExpertIds } from '../../../infra/messages/expert-ids.ts';
import { decodePlan, encodePlan, type GroupPlan } from '../../../infra/messages/group-plan.ts';

test('any set of ids comes back ascending', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(40_000)), (ids) => {
      const sorted = ids.toSorted((a, b) => a - b);
      assert.deepEqual(decodeExpertIds(encodeExpertIds(sorted)), sorted);
    }),
  );
});

test('a plan of 48 layers of 128 experts on 4 nodes takes less than 6 KB', () => {
  const members = Array.from({ length: 4 }, (_, node) => ({
    ...{ id: `node-${node}`, incarnation: '0123456789abcdef', shared: true, exchangeUrl: null, speed: 1 },
    experts: [...Array(48 * 128).keys()].filter((id) => (id * 7) % 13 < 5 + node),
  }));
  const facts = { group: 'main', leader: 'node-0', topology: 'decentralized', numericsClass: 'cpu' } as const;
  const plan: GroupPlan = { ...facts, members, epoch: 7, modelHash: 'ab'.repeat(32), reason: 'test', createdAtMs: 1 };
  const text = encodePlan(plan);
  assert.ok(text.length < 6_000, `${text.length} bytes`);
  assert.deepEqual(decodePlan(text), plan);
});
