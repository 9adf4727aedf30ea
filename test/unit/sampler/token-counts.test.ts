import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GREEDY } from '../../../infra/messages/generation-request.ts';
import { TokenCounts } from '../../../workers/sampler/token-counts.ts';

const ids = fc.array(fc.nat(9), { maxLength: 40 });

test('every token of the prompt and the answer is there once, with the times that it was generated', () => {
  fc.assert(
    fc.property(ids, ids, (prompt, generated) => {
      const { pairs } = new TokenCounts(prompt, generated);
      const found = new Map(Array.from({ length: pairs.length / 2 }, (_, at) => [pairs[2 * at], pairs[2 * at + 1]]));
      assert.equal(found.size, pairs.length / 2);
      const seen = new Set([...prompt, ...generated]);
      assert.deepEqual(found, new Map([...seen].map((id) => [id, generated.filter((each) => each === id).length])));
    }),
    { seed: 6 },
  );
});

test('counting token by token is counting all at once', () => {
  fc.assert(
    fc.property(ids, ids, (prompt, generated) => {
      const stepwise = new TokenCounts(prompt, []);
      for (const id of generated) stepwise.add(id);
      assert.deepEqual(stepwise.pairs, new TokenCounts(prompt, generated).pairs);
    }),
    { seed: 7 },
  );
});

test('only what penalties need is counted', () => {
  const countsFor = (change: object) => TokenCounts.for({ ...GREEDY, ...change }, [1, 2], [2, 3])?.pairs;
  assert.equal(countsFor({}), undefined);
  assert.deepEqual(countsFor({ repetitionPenalty: 1.1 }), Int32Array.of(1, 0, 2, 1, 3, 1));
  assert.deepEqual(countsFor({ frequencyPenalty: 1 }), Int32Array.of(2, 1, 3, 1));
  assert.deepEqual(countsFor({ presencePenalty: -1 }), Int32Array.of(2, 1, 3, 1));
});
