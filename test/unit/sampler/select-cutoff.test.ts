import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { selectCutoff } from '../../../workers/sampler/select-cutoff.ts';

/** Small integers: many ties, and sums without rounding. */
const logitsOf = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 60 });

test('the cutoff is the last token of the shortest sorted prefix that reaches the budget', () => {
  fc.assert(
    fc.property(
      logitsOf,
      fc.array(fc.nat(3), { minLength: 60, maxLength: 60 }),
      fc.nat(80),
      (values, amounts, budget) => {
        const logits = Float32Array.from(values);
        const ids = Uint32Array.from(values.keys());
        const cutoff = selectCutoff({ ids, logits, amounts: Float64Array.from(amounts) }, ids.length, budget);
        const sorted = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
        let reached = 0;
        const last = sorted.findIndex((id) => {
          reached += amounts[id] ?? 0;
          return reached >= budget;
        });
        assert.equal(cutoff, sorted.at(last));
      },
    ),
    { seed: 8, numRuns: 3000 },
  );
});

test('without amounts every token counts as one', () => {
  const ids = Uint32Array.of(0, 1, 2, 3);
  assert.equal(selectCutoff({ ids, logits: Float32Array.of(1, 4, 2, 3), amounts: null }, 4, 2), 3);
});

for (const [name, logit] of [
  ['ascending', (id: number) => id],
  ['descending', (id: number) => -id],
  ['equal', () => 1],
  ['one far above the rest', (id: number) => (id === 77 ? 1e30 : Math.sin(id))],
] as const) {
  test(`a vocabulary of 200,000 is searched without sorting it: ${name}`, () => {
    const logits = Float32Array.from({ length: 200_000 }, (_, id) => logit(id));
    const ids = Uint32Array.from(logits.keys());
    const started = performance.now();
    const cutoff = selectCutoff({ ids, logits, amounts: null }, ids.length, 1000);
    assert.ok(performance.now() - started < 2_000, 'not quadratic');
    const before = (id: number) =>
      (logits[id] ?? 0) > (logits[cutoff] ?? 0) || (logits[id] === logits[cutoff] && id < cutoff);
    assert.equal([...logits.keys()].filter(before).length, 999);
  });
}
