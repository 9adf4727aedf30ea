// The addon by itself: what it exports, and that no argument, however wrong, does worse than throw a coded error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { AddonExpertAssigner } from '../../../native/addon-types.ts';
import {
  ADDON_PATH,
  addon,
  attach,
  LIMITS,
  MODEL,
  oneRow,
  packPath,
  readySession,
  SIZES,
  TABLES,
} from './zero-model.ts';

const METHODS: Readonly<Record<string, readonly string[]>> = {
  ExpertAssigner: ['assign'],
  MappedFile: ['close', 'packPanels', 'populate', 'read', 'release', 'size'],
  ModelSession: [
    'attach',
    'close',
    'detachExperts',
    'groupStep',
    'numericsClass',
    'routingCounts',
    'serveExperts',
    'step',
  ],
};

function methodsOf(object: object): string[] {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object));
  return names.filter((name) => name !== 'constructor').sort();
}

/** Expert 0 is on both members, expert 1 on member 0. */
function twoMembers(): AddonExpertAssigner {
  return addon.createAssigner(Int32Array.of(0, 2, 3), Int32Array.of(0, 1, 0), Float64Array.of(1, 1), 1, {
    name: 'least',
  });
}

test('exports what addon-types.ts says, nothing more', async () => {
  assert.deepEqual(Object.keys(addon).sort(), [
    'createAssigner',
    'createConstraint',
    'createGroupMember',
    'createHopProbe',
    'createSession',
    'createTokenMasks',
    'createVocabulary',
    'gpuProperties',
    'kernelVariants',
    'layoutVersion',
    'mapFile',
    'packMatrix',
    'probeReadSeconds',
    'quantizeRows',
    'sampleRows',
    'setEmulatedGpu',
    'tryLockFile',
  ]);
  assert.deepEqual(methodsOf(addon.mapFile(packPath)), METHODS['MappedFile']);
  assert.deepEqual(methodsOf(twoMembers()), METHODS['ExpertAssigner']);
  const session = addon.createSession(MODEL, LIMITS);
  assert.deepEqual(methodsOf(session), METHODS['ModelSession']);
  await session.close();
});

test('the reference variant is always there, last', () => {
  assert.equal(addon.kernelVariants().at(-1), 'reference');
});

test('a step of zeros gives zeros', async () => {
  const session = readySession();
  const logits = new Float32Array(SIZES.vocab).fill(7);
  await oneRow(session, logits);
  assert.deepEqual([...logits], [0, 0, 0, 0, 0]);
  assert.deepEqual([...session.routingCounts()], [1, 0], 'ties go to the lower expert');
  await session.close();
});

test('an assignment leaves what is behind its slots as it was, and may take the place of the experts', () => {
  const members = new Int32Array(3).fill(7);
  twoMembers().assign(0, Int32Array.of(0, 1), members);
  assert.deepEqual([...members], [1, 0, 7]);
  const both = Int32Array.of(0, 1, 0, 1);
  twoMembers().assign(0, both, both);
  assert.deepEqual([...both], [1, 0, 1, 0]);
});

test('an assigner refuses invalid experts and members', () => {
  const refused = (call: () => unknown, message: RegExp) => assert.throws(call, { code: 'invalid_argument', message });
  const create = (offsets: number[], holders: number[], speed: number[]) =>
    addon.createAssigner(Int32Array.from(offsets), Int32Array.from(holders), Float64Array.from(speed), 1, {
      name: 'least',
    });
  refused(() => create([], [], [1]), /holderOffsets/);
  refused(() => create([1, 1], [0], [1]), /from 0 to the length/);
  refused(() => create([0, 2], [0], [1]), /from 0 to the length/);
  refused(() => create([0, 2, 1], [0], [1]), /must not go down/);
  refused(() => create([0, -1, 1], [0], [1]), /must not go down/);
  refused(() => create([0, 1], [1], [1]), /below 1, but one is 1/);
  refused(() => create([0, 1], [0], [Number.NaN]), /speeds must be positive/);
  const two = new Int32Array(2);
  refused(() => twoMembers().assign(0, two, new Int32Array(1)), /members must have 2 elements but has 1/);
  for (const expert of [-1, 2]) refused(() => twoMembers().assign(0, two.fill(expert), two), /there are 2/);
  const empty = create([0, 0], [], []);
  for (const _ of [1, 2]) assert.throws(() => empty.assign(0, two.fill(0), two), { code: 'unavailable' });
});

test('a second step while one runs is refused', async () => {
  const session = readySession();
  const running = oneRow(session);
  assert.throws(() => void oneRow(session), { code: 'busy' });
  await running;
  await oneRow(session);
  await session.close();
});

test('closing waits for the running step, and everything after it is refused', async () => {
  const session = readySession();
  const running = oneRow(session);
  const closing = session.close();
  await running;
  await closing;
  assert.throws(() => void oneRow(session), { code: 'closed' });
  assert.throws(() => session.routingCounts(), { code: 'closed' });
  await session.close();
});

test('a session keeps using a file that was closed', async () => {
  const session = addon.createSession(MODEL, LIMITS);
  const file = addon.mapFile(packPath);
  attach(session, file);
  file.close();
  assert.throws(() => file.read(0, 1), { code: 'closed' });
  await oneRow(session);
  await session.close();
});

test('a worker thread that ends in mid-step takes nothing with it', async () => {
  const script = `
    const addon = require(${JSON.stringify(ADDON_PATH)});
    const session = addon.createSession(${JSON.stringify(MODEL)}, ${JSON.stringify(LIMITS)});
    const file = addon.mapFile(${JSON.stringify(packPath)});
    for (const table of ${JSON.stringify(TABLES)}) session.attach(file, Float64Array.from(table));
    const one = new Int32Array(1);
    const go = () => session.step(one, one, one, one, 1, one, new Float32Array(5)).then(go);
    go();
    require('node:worker_threads').parentPort.postMessage('running');`;
  for (let round = 0; round < 5; round += 1) {
    const worker = new Worker(script, { eval: true });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
  }
});

const anything = fc.oneof(
  fc.anything({ withTypedArray: true, withBigInt: true, withNullPrototype: true }),
  fc.double(),
  fc.integer(),
  fc.array(fc.integer(), { maxLength: 12 }).map((values) => Int32Array.from(values)),
  fc.array(fc.double(), { maxLength: 12 }).map((values) => Float64Array.from(values)),
  fc.integer({ min: 0, max: 200 }).map((length) => new Float32Array(length)),
  fc.integer({ min: 0, max: 200 }).map((length) => new Uint8Array(length)),
  fc.constantFrom<unknown>(MODEL, LIMITS, packPath),
);

const CODES = ['invalid_argument', 'closed', 'busy', 'io', 'out_of_memory', 'unavailable'];

/** Calls with whatever it is given; a throw or rejection must be one of ours. */
async function survives(target: object, name: string, args: readonly unknown[]): Promise<unknown> {
  const method: unknown = Reflect.get(target, name);
  if (typeof method !== 'function') return undefined;
  try {
    return await Reflect.apply(method, target, [...args]);
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && CODES.includes(String(error.code)), `${name}: ${error}`);
    return undefined;
  }
}

test('no argument does worse than a coded error', async () => {
  const args = fc.array(anything, { maxLength: 9 });
  const call = fc.record({ name: fc.constantFrom(...Object.values(METHODS).flat()), args });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 6 }), async (calls) => {
      const session = readySession();
      const file = addon.mapFile(packPath);
      for (const { name, args: given } of calls) {
        if (name === 'close') continue;
        await survives(session, name, given);
        await survives(file, name, given);
        await survives(twoMembers(), name, given);
      }
      await session.close();
    }),
    { numRuns: 300, seed: 11 },
  );
});

/** Every place inside a value, as the keys that lead there. */
function pathsIn(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner).map((path) => [key, ...path]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy: object = Array.isArray(value) ? [...value] : { ...(value as object) };
  Reflect.set(copy, key, replaced(Reflect.get(copy, key), rest, by));
  return copy;
}

test('no description or limit does worse than a coded error', async () => {
  const wrong = fc.oneof(
    fc.constantFrom(0, -1, 1, 2, 7, 2 ** 31, 1e300, Number.NaN, null, undefined, true, 'x'),
    fc.integer(),
    fc.constantFrom([], {}, [0, 1], MODEL),
  );
  const change = (base: unknown) =>
    fc.tuple(fc.constantFrom(...pathsIn(base)), wrong).map(([path, value]) => replaced(base, path, value));
  await fc.assert(
    fc.asyncProperty(change(MODEL), change(LIMITS), fc.boolean(), async (model, limits, both) => {
      // Threads that are refused are not started; large but allowed caches are only reserved.
      const given = both ? { ...(limits as object), threads: 1 } : LIMITS;
      const session = await survives(addon, 'createSession', [model, given]);
      if (session !== undefined) await survives(session as object, 'close', []);
    }),
    { numRuns: 1000, seed: 12 },
  );
});

test('no placement or routing does worse than a coded error', async () => {
  const ids = (most: number) => fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: most });
  const placement = fc.array(ids(4), { minLength: 3, maxLength: 6 });
  const speed = fc.array(fc.constantFrom(1, 1.5, 2.5, 3, 1e300, 1e-300, 5e-324), { minLength: 3, maxLength: 5 });
  const place = fc.constantFrom([1, 0], [1, 0], [1, 0], [1, 1], [2, 1], [3, 0], [0, 0], [-1, -1]) as fc.Arbitrary<
    [number, number]
  >;
  const wrong = fc.record({ array: fc.nat(5), at: fc.nat(6), value: fc.constantFrom(-1, 0, 1, 7, 2 ** 31 - 1) });
  let assigned = 0;
  await fc.assert(
    fc.asyncProperty(
      placement,
      speed,
      ids(60),
      place,
      wrong,
      async (holders, speeds, routing, [layers, layer], { array, at, value }) => {
        const offsets = [0, ...holders.map((_, expert) => holders.slice(0, expert + 1).flat().length)];
        const given = [offsets, holders.flat(), routing];
        if (given[array]?.[at] !== undefined) given[array][at] = value;
        const [first, flat, experts] = given.map((values) => Int32Array.from(values)) as [
          Int32Array,
          Int32Array,
          Int32Array,
        ];
        const call = () => {
          addon
            .createAssigner(first, flat, Float64Array.from(speeds), layers, { name: 'least' })
            .assign(layer, experts, experts);
          assigned += 1;
        };
        await survives({ call }, 'call', []);
      },
    ),
    { numRuns: 3000, seed: 14 },
  );
  assert.ok(assigned > 500, `${assigned} were right`);
});

test('packPanels refuses what does not fit, whatever the numbers', () => {
  const file = addon.mapFile(packPath);
  const number = fc.oneof(fc.integer({ min: -2, max: 300 }), fc.constantFrom(2 ** 31, 2 ** 52, 2 ** 53, -1, 0.5));
  fc.assert(
    fc.property(fc.array(number, { minLength: 8, maxLength: 8 }), fc.integer({ min: 0, max: 5000 }), (n, size) => {
      const [offset = 0, dtype = 0, outputs = 0, inputs = 0, outputStride = 0, inputStride = 0, step = 0, slot = 0] = n;
      try {
        file.packPanels(offset, dtype, outputs, inputs, outputStride, inputStride, new Uint8Array(size), step, slot);
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'invalid_argument', String(error));
      }
    }),
    { numRuns: 3000, seed: 13 },
  );
});
