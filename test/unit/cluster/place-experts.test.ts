import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { drawRoutings, everyRouting, expectedLargestLoad } from '../../../workers/cluster/expected-load.ts';
import { holdersOf, type PlacementInput, placeExperts } from '../../../workers/cluster/place-experts.ts';
import { ExpertAssigner } from '../../../workers/node/assign-experts.ts';

/** Members of any size, some holding something already, and any counts. */
const inputs: fc.Arbitrary<PlacementInput> = fc.integer({ min: 1, max: 24 }).chain((experts) =>
  fc.record({
    experts: fc.constant(experts),
    members: fc.array(
      fc.record({
        slots: fc.integer({ min: 0, max: experts + 3 }),
        speed: fc.constantFrom(0.5, 1, 4),
        held: fc.subarray([...Array(experts).keys()]),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    counts: fc.option(
      fc
        .array(fc.integer({ min: 0, max: 1000 }), { minLength: experts, maxLength: experts })
        .map((counts) => Float64Array.from(counts)),
    ),
  }),
);
const roomOf = ({ experts, members }: PlacementInput): number =>
  members.reduce((sum, { slots }) => sum + Math.min(slots, experts), 0);
const fitting = inputs.filter((input) => roomOf(input) >= input.experts);

test('never gives a member more experts than it has room for, nor one twice', () => {
  fc.assert(
    fc.property(fitting, (input) => {
      for (const [member, experts] of placeExperts(input).entries()) {
        assert.ok(experts.length <= (input.members[member]?.slots ?? 0));
        assert.deepEqual(
          experts,
          [...new Set(experts)].sort((left, right) => left - right),
        );
      }
    }),
  );
});

test('places every expert, and survives any single loss when memory allows', () => {
  fc.assert(
    fc.property(fitting, (input) => {
      const least = roomOf(input) >= 2 * input.experts ? 2 : 1;
      for (const holders of holdersOf(placeExperts(input), input.experts)) assert.ok(holders.length >= least);
    }),
    { numRuns: 1000 },
  );
});

test('uses all the room there is', () => {
  fc.assert(
    fc.property(fitting, (input) => {
      for (const [member, experts] of placeExperts(input).entries()) {
        assert.equal(experts.length, Math.min(input.experts, input.members[member]?.slots ?? 0));
      }
    }),
  );
});

test('gives the same answer for the same input', () => {
  fc.assert(
    fc.property(fitting, (input) => assert.deepEqual(placeExperts(input), placeExperts(structuredClone(input)))),
  );
});

test('moves nothing when the experts held are a placement that needs no change', () => {
  fc.assert(
    fc.property(fitting, (input) => {
      const placed = placeExperts(input);
      const members = input.members.map((member, at) => ({ ...member, held: placed[at] ?? [] }));
      assert.deepEqual(placeExperts({ ...input, members }), placed);
    }),
  );
});

test('lets a member that joins take replicas without moving what others hold', () => {
  const before = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ];
  const members = [...before.map((held) => ({ slots: 4, held })), { slots: 4 }];
  const placed = placeExperts({ experts: 8, members, counts: null });
  assert.deepEqual(placed.slice(0, 2), before);
  assert.equal(placed[2]?.length, 4);
});

test('places again what a lost member alone held', () => {
  const members = [
    { slots: 4, held: [0, 1, 2, 3] },
    { slots: 4, held: [0, 1, 2, 4] },
  ];
  const placed = placeExperts({ experts: 8, members, counts: null });
  assert.deepEqual([...placed.flat()].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

test('gives the replicas to the experts used most', () => {
  const counts = Float64Array.from([1, 1, 50, 1, 1, 60]);
  const placed = placeExperts({ experts: 6, members: [{ slots: 4 }, { slots: 4 }], counts });
  const replicated = holdersOf(placed, 6).flatMap((holders, expert) => (holders.length === 2 ? [expert] : []));
  assert.deepEqual(replicated, [2, 5]);
});

test('says how much room is missing', () => {
  const members = [{ slots: 3 }, { slots: 20 }];
  assert.throws(() => placeExperts({ experts: 24, members, counts: null }), {
    code: 'bad_config',
    message: /room for 23 experts of a layer, but the model has 24/,
  });
  assert.throws(() => placeExperts({ experts: 2, members: [], counts: null }), { code: 'bad_config' });
});

/** DBRX's shape: 16 experts, 4 for each token. */
function dbrxLoad(placed: readonly (readonly number[])[], routings = everyRouting(16, 4)): number {
  const members = placed.length;
  return expectedLargestLoad(new ExpertAssigner({ holders: holdersOf(placed, 16), members }), routings, members);
}

test('replicas on neighbouring nodes bring the busiest of 4 nodes x 8 slots to 1.187 experts, ours to 1.160', () => {
  const ring = [0, 1, 2, 3].map((node) => [...Array(16).keys()].filter((e) => e % 4 === node || (e + 1) % 4 === node));
  const ours = placeExperts({ experts: 16, members: new Array(4).fill({ slots: 8 }), counts: null });
  assert.equal(dbrxLoad(ring).toFixed(3), '1.187');
  assert.equal(dbrxLoad(ours).toFixed(3), '1.160');
  const random = drawRoutings({ experts: 16, topK: 4, rows: 1, draws: 20_000, seed: 20260122, counts: null });
  assert.ok(Math.abs(dbrxLoad(ring, random) - 1.187) < 0.01);
  assert.ok(Math.abs(dbrxLoad(ours, random) - 1.16) < 0.01);
});

test('the busiest of 3 nodes x 8 slots computes 2.014 experts', () => {
  const ours = placeExperts({ experts: 16, members: new Array(3).fill({ slots: 8 }), counts: null });
  assert.equal(dbrxLoad(ours).toFixed(3), '2.014');
});
