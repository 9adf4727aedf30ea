import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { selectPrefix } from '../../../workers/sampler/select-prefix.ts';

/** Small integers: many ties, and sums without rounding. */
const logitsOf = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 60 });

test('selects the shortest prefix of the sorted order that reaches the budget', () => {
  fc.assert(
    fc.property(
      logitsOf,
      fc.array(fc.nat(3), { minLength: 60, maxLength: 60 }),
      fc.nat(80),
      (values, amounts, budget) => {
        const logits = Float32Array.from(values);
        const ids = Uint32Array.from(values.keys());
        const length = selectPrefix({ ids, logits }, ids.length, (id) => amounts[id] ?? 0, budget);
        const sorted = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
        let reached = 0;
        const last = sorted.findIndex((id) => {
          reached += amounts[id] ?? 0;
          return reached >= budget;
        });
        const expected = sorted.slice(0, last < 0 ? sorted.length : last + 1);
        assert.deepEqual(
          [...ids.subarray(0, length)].sort((a, b) => a - b),
          expected.sort((a, b) => a - b),
        );
      },
    ),
    { seed: 8, numRuns: 3000 },
  );
});

for (const [name, logit] of [
  ['ascending', (id: number) => id],
  ['descending', (id: number) => -id],
  ['equal', () => 1],
] as const) {
  test(`${name} logits take a number of comparisons in proportion to the vocabulary`, () => {
    const vocab = 200_000;
    const ranking = {
      ids: Uint32Array.from({ length: vocab }, (_, id) => id),
      logits: Float32Array.from({ length: vocab }, (_, id) => logit(id)),
    };
    let asked = 0;
    const amount = () => {
      asked += 1;
      return 1;
    };
    assert.equal(selectPrefix(ranking, vocab, amount, 1000), 1000);
    assert.ok(asked < 10 * vocab, `${asked} amounts`);
  });
}
