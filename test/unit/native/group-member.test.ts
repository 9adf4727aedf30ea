// A group member's place and steps as the addon takes them: no argument does worse than a coded error, a step that waits for
// others ends when it is interrupted. test/native and test/integration/node cover the results of steps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type {
  AddonGroupMember,
  AddonGroupMemberOptions,
  AddonGroupStepReport,
  AddonModelSession,
  AddonStepCommand,
  AddonStepOutput,
} from '../../../native/addon-types.ts';
import { RowSampling } from '../../../native/row-sampling.ts';
import { startSilentExchange } from './silent-exchange.ts';
import { ADDON_PATH, addon, LIMITS, MODEL, oneRow, packPath, readySession, SIZES, TABLES } from './zero-model.ts';

const { address: ADDRESS, heard } = await startSilentExchange();

/** Member 0 leads and holds both experts; member 1 holds none, but has to answer the last layer. */
const TWO: AddonGroupMemberOptions = {
  policy: { name: 'least' },
  centralized: false,
  exchanges: [ADDRESS],
  name: 'member',
  epoch: 1,
  me: 0,
  leader: 0,
  members: 2,
  holderOffsets: Int32Array.of(0, 1, 2),
  holders: Int32Array.of(0, 0),
  speed: Float64Array.of(1, 1),
  toAll: [{ exchange: 0, key: '0' }],
  toMember: [
    { exchange: 0, key: '' },
    { exchange: 0, key: '0>1' },
  ],
  incoming: ['1', '1>0'],
  incomingFrom: Int32Array.of(1, 1),
};
const ALONE: AddonGroupMemberOptions = {
  ...TWO,
  members: 1,
  speed: Float64Array.of(1),
  toMember: [{ exchange: 0, key: '' }],
  incoming: [],
  incomingFrom: new Int32Array(0),
};
const NO_SUSPECTS = new Int32Array(0);
const NO_TIMEOUT: AddonStepCommand = { step: 1, timeout: null, suspects: NO_SUSPECTS };

function groupStep(
  session: AddonModelSession,
  member: AddonGroupMember,
  order: AddonStepCommand = NO_TIMEOUT,
  output: AddonStepOutput | null = new Float32Array(SIZES.vocab),
): Promise<AddonGroupStepReport> {
  const one = new Int32Array(1);
  return session.groupStep(one, one, one, one, 1, one, output, member, order);
}

test('a member can leave, nothing more', async () => {
  const session = readySession();
  const member = addon.createGroupMember(session, ALONE);
  assert.deepEqual(Object.getOwnPropertyNames(Object.getPrototypeOf(member)).sort(), ['constructor', 'leave']);
  await session.close();
});

test('a step of a group samples on the leader', async () => {
  const session = readySession();
  const sampling = new RowSampling(1, [], [{ row: 0, id: 4, top: 0 }]);
  const member = addon.createGroupMember(session, ALONE);
  await groupStep(session, member, NO_TIMEOUT, sampling.raw);
  assert.equal(sampling.result(0).outcome, 'chosen');
  const { trouble } = await groupStep(session, member, { ...NO_TIMEOUT, step: 2 }, null);
  assert.equal(trouble, 'none');
  await session.close();
});

test('a step of a group of one gives what its session gives, and says how it went', async () => {
  const session = readySession();
  const logits = new Float32Array(SIZES.vocab).fill(7);
  const report = await groupStep(session, addon.createGroupMember(session, ALONE), NO_TIMEOUT, logits);
  assert.deepEqual([...logits], [0, 0, 0, 0, 0]);
  const { attendSeconds, expertSeconds, projectSeconds, ...rest } = report;
  assert.ok(attendSeconds > 0 && expertSeconds > 0 && projectSeconds > 0);
  assert.deepEqual(rest, {
    trouble: 'none',
    culprits: new Int32Array(0),
    text: '',
    waitsMs: new Float64Array(0),
    members: new Float64Array(4),
    replaced: [],
    framesSent: 0,
    bytesSent: 0,
  });
  await session.close();
});

test('a step ends with the name of a member that does not answer', async () => {
  const session = readySession();
  const order = { step: 1, timeout: { floorMs: 1, factor: 0, normalMs: 0 }, suspects: NO_SUSPECTS };
  const { trouble, culprits } = await groupStep(session, addon.createGroupMember(session, TWO), order);
  assert.deepEqual({ trouble, culprits: [...culprits] }, { trouble: 'late', culprits: [1] });
  await session.close();
});

test('leaving ends a step that waits, and the session goes on', async () => {
  const session = readySession();
  const member = addon.createGroupMember(session, TWO);
  const waits = heard();
  const running = groupStep(session, member);
  await waits;
  assert.throws(() => void groupStep(session, member), { code: 'busy' });
  member.leave();
  await assert.rejects(running, { code: 'interrupted' });
  assert.throws(() => void groupStep(session, member), { code: 'closed' });
  member.leave();
  await oneRow(session);
  await session.close();
});

test('a member that computes experts for its leader serves until it leaves, and takes no steps', async () => {
  const session = readySession();
  const member = addon.createGroupMember(session, { ...TWO, centralized: true, me: 1 });
  assert.throws(() => void groupStep(session, member), { code: 'invalid_argument', message: /takes no steps/ });
  const waits = heard();
  const serving = session.serveExperts(member);
  await waits;
  session.detachExperts(Int32Array.of(1));
  assert.throws(() => void oneRow(session), { code: 'busy' });
  member.leave();
  await assert.rejects(serving, { code: 'interrupted' });
  assert.throws(() => void oneRow(session), { code: 'invalid_argument', message: /expert 1/ });
  assert.throws(() => void session.serveExperts(member), { code: 'closed' });
  await session.close();
});

test('a member that takes steps computes no experts for a leader', async () => {
  const session = readySession();
  for (const centralized of [false, true]) {
    const member = addon.createGroupMember(session, { ...TWO, centralized });
    assert.throws(() => void session.serveExperts(member), { code: 'invalid_argument', message: /takes steps/ });
  }
  await session.close();
});

test('an exchange that is away is a failure of its own', async () => {
  const session = readySession();
  const away = { ...ALONE, exchanges: [{ ...ADDRESS, path: `${ADDRESS.path}-of-none` }] };
  const member = addon.createGroupMember(session, away);
  for (const _ of [1, 2])
    await assert.rejects(groupStep(session, member), { code: 'exchange', message: /No such file/ });
  await session.close();
});

for (const [name, changes, message] of [
  ['me that is no member', { me: 2 }, /no such member/],
  ['a leader that is no member', { leader: -1 }, /no such member/],
  ['fewer keys than members', { members: 3 }, /toMember/],
  ['more speeds than members', { speed: Float64Array.of(1, 1, 1) }, /the group's members/],
  ['fewer speeds than members', { speed: Float64Array.of(1) }, /the group's members/],
  ['experts of another model', { holderOffsets: Int32Array.of(0, 2) }, /the model's experts/],
  ['holders that are no members', { holders: Int32Array.of(0, 2) }, /holders must be members/],
  ['an exchange that does not exist', { toAll: [{ exchange: 1, key: '0' }] }, /no such exchange/],
  ['no exchange', { exchanges: [] }, /exchanges must not be empty/],
  ['a sender that is no member', { incomingFrom: Int32Array.of(1, 2) }, /incomingFrom/],
  ['fewer senders than streams', { incomingFrom: Int32Array.of(1) }, /same length/],
  ['an epoch below zero', { epoch: -1 }, /epoch is out of range/],
  ['an epoch beyond 32 bits', { epoch: 2 ** 32 }, /epoch is out of range/],
  ['half an epoch', { epoch: 0.5 }, /epoch must be a whole number/],
] as const) {
  test(`a place with ${name} is refused`, async () => {
    const session = readySession();
    const create = () => addon.createGroupMember(session, { ...TWO, ...changes });
    assert.throws(create, { code: 'invalid_argument', message });
    await session.close();
  });
}

for (const [name, order, message] of [
  ['a number below zero', { step: -1, timeout: null }, /step is out of range/],
  ['a number beyond 32 bits', { step: 2 ** 32, timeout: null }, /step is out of range/],
  ['a negative timeout', { step: 1, timeout: { floorMs: 0, factor: -1, normalMs: 0 } }, /factor must not be negative/],
  ['a timeout of NaN', { step: 1, timeout: { floorMs: NaN, factor: 0, normalMs: 0 } }, /floorMs must not be negative/],
] as const) {
  test(`a step with ${name} is refused`, async () => {
    const session = readySession();
    const step = () => groupStep(session, addon.createGroupMember(session, ALONE), { suspects: NO_SUSPECTS, ...order });
    assert.throws(() => void step(), { code: 'invalid_argument', message });
    await session.close();
  });
}

test('a timeout longer than any clock counts is a long one', async () => {
  const session = readySession();
  const member = addon.createGroupMember(session, TWO);
  const waits = heard();
  const running = groupStep(session, member, {
    ...NO_TIMEOUT,
    timeout: { floorMs: 1e300, factor: Infinity, normalMs: 1 },
  });
  await waits;
  member.leave();
  await assert.rejects(running, { code: 'interrupted' });
  await session.close();
});

test('a member is of one session, and no step runs in one that is closed', async () => {
  const [session, other] = [readySession(), readySession()];
  const member = addon.createGroupMember(session, ALONE);
  const refused = (step: () => unknown, code: string, message: RegExp) => assert.throws(step, { code, message });
  refused(() => groupStep(other, member), 'invalid_argument', /of another session/);
  refused(
    () => groupStep(session, session as unknown as AddonGroupMember),
    'invalid_argument',
    /must be a GroupMember/,
  );
  refused(() => groupStep(session, member, NO_TIMEOUT, new Float32Array(4)), 'invalid_argument', /logits must have 5/);
  await session.close();
  refused(() => groupStep(session, member), 'closed', /session is closed/);
  refused(() => addon.createGroupMember(session, ALONE), 'closed', /session is closed/);
  await other.close();
});

test('a session that is closed while its arguments are read is closed', () => {
  const session = readySession();
  const member = addon.createGroupMember(session, ALONE);
  const order = {
    get step() {
      void session.close();
      return 1;
    },
    timeout: null,
    suspects: NO_SUSPECTS,
  };
  assert.throws(() => void groupStep(session, member, order), { code: 'closed' });
});

test('a worker thread that ends while a step waits for others takes nothing with it', async () => {
  const script = `
    const addon = require(${JSON.stringify(ADDON_PATH)});
    const { workerData: { model, tables, limits, packPath, place } } = require('node:worker_threads');
    const session = addon.createSession(model, limits);
    const file = addon.mapFile(packPath);
    for (const table of tables) session.attach(file, Float64Array.from(table));
    const one = new Int32Array(1);
    const member = addon.createGroupMember(session, place);
    session.groupStep(one, one, one, one, 1, one, new Float32Array(5), member, { step: 1, timeout: null, suspects: new Int32Array(0) });`;
  for (let round = 0; round < 3; round += 1) {
    const waits = heard();
    const workerData = { model: MODEL, tables: TABLES, limits: LIMITS, packPath, place: TWO };
    const worker = new Worker(script, { eval: true, workerData });
    await Promise.race([waits, new Promise((_, reject) => worker.once('error', reject))]);
    await worker.terminate();
  }
});

test('no place or order does worse than a coded error', async () => {
  const session = readySession();
  const wrong = fc.oneof(
    fc.anything({ withTypedArray: true, withBigInt: true }),
    fc.integer({ min: -2, max: 3 }),
    fc.constantFrom(2 ** 31, 2 ** 32, NaN, Infinity, '', null, session, addon, ADDRESS),
    fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 4 }).map((values) => Int32Array.from(values)),
    fc.array(fc.constantFrom(-1, 0, 1, NaN, Infinity), { maxLength: 4 }).map((values) => Float64Array.from(values)),
    fc.array(fc.string(), { maxLength: 4 }),
  );
  const change = <T extends object>(base: T) =>
    fc.tuple(fc.constantFrom(...Object.keys(base)), wrong).map(([key, value]) => ({ ...base, [key]: value }));
  const order = fc.oneof(fc.constant(NO_TIMEOUT), change(NO_TIMEOUT));
  const steps = { run: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.constant(ALONE), change(ALONE)), order, async (place, given) => {
      try {
        const member = addon.createGroupMember(session, place);
        await groupStep(session, member, given);
        member.leave();
        steps.run += 1;
      } catch (error) {
        const codes = ['invalid_argument', 'exchange', 'unavailable'];
        assert.ok(error instanceof Error && 'code' in error && codes.includes(String(error.code)), String(error));
        steps.refused += 1;
      }
    }),
    { numRuns: 500, seed: 15 },
  );
  assert.ok(steps.run > 50 && steps.refused > 50, JSON.stringify(steps));
  await session.close();
});
