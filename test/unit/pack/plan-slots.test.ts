import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planSlots } from '../../../workers/pack/plan-slots.ts';
import { type Slab, slotKey } from '../../../workers/pack/slab-table.ts';

const LAYERS = 3;
const EXPERTS = 8;

/** Slabs in which no expert lies twice. */
const slabs: fc.Arbitrary<Slab[]> = fc
  .tuple(
    fc.shuffledSubarray([...Array(LAYERS * EXPERTS).keys()]),
    fc.array(fc.record({ layer: fc.nat(LAYERS - 1), slots: fc.integer({ min: 1, max: 5 }), old: fc.nat(9) })),
  )
  .map(([ids, shapes]) => {
    const left = [...ids];
    return shapes.map(({ layer, slots, old }, at) => {
      const experts = Array.from({ length: slots }, () => {
        const found = left.findIndex((id) => Math.floor(id / EXPERTS) === layer);
        return found === -1 ? null : (left.splice(found, 1)[0] ?? 0) % EXPERTS;
      });
      const file = `layer-00${layer}-${at}.slab`;
      // Some are of another size, as after a change of formats.
      return { file, layer, slotBytes: old === 0 ? 50 : 100, experts, sha256: experts.map(() => 'ab'.repeat(32)) };
    });
  });

test('every wanted expert gets a slot of its own, none that must stay is lost, and slabs grow only when they are full', () => {
  fc.assert(
    fc.property(slabs, fc.infiniteStream(fc.boolean()), (given, coins) => {
      const flip = (): boolean => coins.next().value ?? false;
      const there = new Set(given.flatMap(({ layer, experts }) => experts.map((one) => slotKey(layer, one ?? -1))));
      const all = [...Array(LAYERS * EXPERTS).keys()].map((id) => ({
        ...{ id, layer: Math.floor(id / EXPERTS), expert: id % EXPERTS },
      }));
      const wanted = all.filter(({ layer, expert }) => !there.has(slotKey(layer, expert)) && flip());
      const mayGo = new Set(all.filter(flip).map(({ layer, expert }) => slotKey(layer, expert)));
      const mayEvict = (layer: number, expert: number): boolean => mayGo.has(slotKey(layer, expert));
      const plan = planSlots(given, wanted, () => 100, mayEvict);
      assert.deepEqual(
        plan.fill.map(({ id }) => id).toSorted((a, b) => a - b),
        wanted.map(({ id }) => id),
      );
      assert.equal(new Set(plan.fill.map(({ file, slot }) => `${file} ${slot}`)).size, wanted.length);
      for (const { file, slot, layer } of plan.fill) {
        const slab = plan.slabs.find((one) => one.file === file);
        assert.ok(slab?.layer === layer && slab.slotBytes === 100 && slot < slab.experts.length);
        assert.deepEqual([slab.experts[slot], slab.sha256[slot]], [null, '']);
      }
      const left = plan.slabs.flatMap(({ layer, experts }) => experts.map((one) => slotKey(layer, one ?? -1)));
      const lost = [...there].filter((key) => !left.includes(key) && !key.endsWith('/-1'));
      assert.ok(lost.every((key) => mayGo.has(key)));
      assert.equal(plan.evicts, lost.length > 0);
      for (const file of plan.created) {
        const { layer, experts } = plan.slabs.find((one) => one.file === file) ?? { layer: -1, experts: [] };
        const before = given.filter((one) => one.layer === layer && one.slotBytes === 100);
        const usable = before.flatMap((one) => one.experts).filter((one) => one === null || mayEvict(layer, one));
        const needed = wanted.filter((one) => one.layer === layer).length;
        assert.equal(experts.length, needed - usable.length);
      }
    }),
    { numRuns: 300 },
  );
});
