import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExpertAssigner, type ExpertHolders, PIECE_ROWS } from '../../../workers/node/assign-experts.ts';

/** Pieces of work on each member over its speed, the largest: what the assigner is to keep small. */
function largestTime(input: ExpertHolders, experts: Int32Array, nodes: Int32Array): number {
  const rows = new Map<string, number>();
  for (const [slot, expert] of experts.entries()) {
    const key = `${nodes[slot]} ${expert}`;
    rows.set(key, (rows.get(key) ?? 0) + 1);
  }
  const load = new Array<number>(input.members).fill(0);
  for (const [key, count] of rows) {
    const member = Number(key.split(' ')[0]);
    load[member] = (load[member] ?? 0) + Math.ceil(count / PIECE_ROWS);
  }
  return Math.max(...load.map((pieces, member) => pieces / (input.speed?.[member] ?? 1)));
}

/** The same by trying every way to give the distinct experts to holders. */
function smallestLargestTime(input: ExpertHolders, experts: readonly number[]): number {
  const load = new Array<number>(input.members).fill(0);
  const visit = (at: number): number => {
    const expert = experts[at];
    if (expert === undefined) return Math.max(...load.map((pieces, member) => pieces / (input.speed?.[member] ?? 1)));
    return Math.min(
      ...(input.holders[expert] ?? []).map((member) => {
        load[member] = (load[member] ?? 0) + 1;
        const time = visit(at + 1);
        load[member] = (load[member] ?? 0) - 1;
        return time;
      }),
    );
  };
  return visit(0);
}

function assign(input: ExpertHolders, experts: readonly number[]): Int32Array {
  const nodes = new Int32Array(experts.length);
  new ExpertAssigner(input).assign(0, Int32Array.from(experts), nodes);
  return nodes;
}

const speeds = fc.constantFrom(0.5, 1, 2, 3);
const clusters = fc.integer({ min: 1, max: 5 }).chain((members) =>
  fc.record({
    members: fc.constant(members),
    holders: fc.array(fc.subarray([...Array(members).keys()], { minLength: 1 }), { minLength: 3, maxLength: 10 }),
    speed: fc.array(speeds, { minLength: members, maxLength: members }),
  }),
);
const routed = (maxRows: number) =>
  clusters.chain((input) =>
    fc.record({
      input: fc.constant(input),
      experts: fc
        .array(fc.shuffledSubarray([...input.holders.keys()], { minLength: 2, maxLength: 2 }), {
          minLength: 1,
          maxLength: maxRows,
        })
        .map((rows) => rows.flat()),
    }),
  );

test('gives every slot to a holder of its expert, whatever the number of rows', () => {
  fc.assert(
    fc.property(routed(100), ({ input, experts }) => {
      const nodes = assign(input, experts);
      for (const [slot, expert] of experts.entries()) assert.ok(input.holders[expert]?.includes(nodes[slot] ?? -1));
    }),
  );
});

const oneRow = clusters.chain((input) => {
  const all = [...input.holders.keys()];
  const experts = fc.shuffledSubarray(all, { minLength: 1, maxLength: Math.min(7, all.length) });
  return fc.record({ input: fc.constant(input), experts });
});

test('makes the largest load as small as any assignment of few rows can', () => {
  fc.assert(
    fc.property(oneRow, ({ input, experts }) => {
      const got = largestTime(input, Int32Array.from(experts), assign(input, experts));
      assert.equal(got, smallestLargestTime(input, experts));
    }),
    { numRuns: 500 },
  );
});

test('keeps the rows of an expert together while they are few', () => {
  fc.assert(
    fc.property(routed(PIECE_ROWS), ({ input, experts }) => {
      const nodes = assign(input, experts);
      const where = new Map<number, Set<number>>();
      for (const [slot, expert] of experts.entries()) {
        where.set(expert, (where.get(expert) ?? new Set()).add(nodes[slot] ?? -1));
      }
      for (const [, members] of where) assert.equal(members.size, 1);
    }),
  );
});

test('splits an expert with many rows over its holders', () => {
  const nodes = assign({ members: 2, holders: [[0, 1], [0]] }, new Array(64).fill(0));
  assert.equal(nodes.filter((member) => member === 0).length, 32);
});

test('splits an expert from one row more than a piece has', () => {
  const nodes = assign({ members: 2, holders: [[0, 1]] }, new Array(PIECE_ROWS + 1).fill(0));
  assert.equal(new Set(nodes).size, 2);
});

test('answers the same on every node, whatever was assigned before', () => {
  fc.assert(
    fc.property(routed(40), ({ input, experts }) => {
      const used = new ExpertAssigner(input);
      const [first, second] = [new Int32Array(experts.length), new Int32Array(experts.length)];
      used.assign(0, Int32Array.from(experts.toReversed()), second);
      used.assign(0, Int32Array.from(experts), second);
      new ExpertAssigner(input).assign(0, Int32Array.from(experts), first);
      assert.deepEqual(second, first);
    }),
  );
});

test('moves an earlier expert on when a later one needs its member', () => {
  const nodes = assign({ members: 2, holders: [[0, 1], [0]] }, [0, 1]);
  assert.deepEqual([...nodes], [1, 0]);
});

test('leaves a slow member out until it is the quicker choice', () => {
  const nodes = assign(
    {
      members: 2,
      holders: [
        [0, 1],
        [0, 1],
        [0, 1],
        [0, 1],
      ],
      speed: [3, 1],
    },
    [0, 1, 2, 3],
  );
  assert.equal(nodes.filter((member) => member === 1).length, 1);
});

test('names an expert without a holder', () => {
  assert.throws(() => assign({ members: 1, holders: [[0], []] }, [0, 1]), { code: 'unavailable', message: /expert 1/ });
});

test('refuses holders that are not members, and invalid speeds', () => {
  assert.throws(() => new ExpertAssigner({ members: 1, holders: [[1]] }), RangeError);
  assert.throws(() => new ExpertAssigner({ members: 1, holders: [[0]], speed: [0] }), RangeError);
});
