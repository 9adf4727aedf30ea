// Which plans are stepped by native calls, and what becomes of a step that does not end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupPlan, PlanMember } from '../../../infra/messages/group-plan.ts';
import type { GroupMember, GroupPlace, GroupStepReport } from '../../../native/group-member.ts';
import type { StepBatch } from '../../../native/model-session.ts';
import { NativeError } from '../../../native/native-error.ts';
import { EpochSignal, Superseded } from '../../../workers/exchange/epoch-signal.ts';
import { ExchangeRoutes } from '../../../workers/exchange/exchange-routes.ts';
import { viewGroup } from '../../../workers/node/group-view.ts';
import { NativeSteps } from '../../../workers/node/native-steps.ts';
import type { NodeParts } from '../../../workers/node/node-parts.ts';

const OPTIONS = { nodeId: 'a', exchangeUrl: 'redis://user:secret@10.0.0.2:6380/3' };
const BATCH = { tokens: Int32Array.of(1) } as StepBatch;

function member(id: string, exchangeUrl: string | null = null): PlanMember {
  return { id, incarnation: '', experts: [0], shared: true, exchangeUrl, speed: 1 };
}

function planOf(changes: Partial<GroupPlan> = {}): GroupPlan {
  const facts = { numericsClass: 'cpu', modelHash: '', reason: '', createdAtMs: 0 };
  return {
    ...{ group: 'g', epoch: 7, leader: 'a', topology: 'decentralized', members: [member('a'), member('b')], ...facts },
    ...changes,
  };
}

/** A node whose native side takes notes, and ends steps as told. */
function node(end: () => Promise<GroupStepReport> = () => Promise.reject(new Error('no step'))) {
  const places: GroupPlace[] = [];
  let left = false;
  const joinGroup = (place: GroupPlace): GroupMember => {
    places.push(place);
    return { leave: () => (left = true) } as unknown as GroupMember;
  };
  const epochs = new EpochSignal();
  const parts = {
    session: { joinGroup, groupStep: end },
    epochs,
    routes: new ExchangeRoutes(),
  } as unknown as NodeParts;
  return { parts, epochs, places, left: () => left };
}

function open(parts: NodeParts, plan = planOf(), options: Parameters<typeof NativeSteps.open>[2] = OPTIONS) {
  const view = viewGroup(plan, { nodeId: 'a', incarnation: '' }, 1);
  assert.ok(view !== null);
  return NativeSteps.open(parts, view, options);
}

test('a plan is stepped with the place that it gives', async () => {
  const { parts, places } = node();
  await open(parts);
  const [place] = places;
  assert.deepEqual(place?.exchanges, [
    { path: '', host: '10.0.0.2', port: 6380, username: 'user', password: 'secret', db: 3 },
  ]);
  assert.deepEqual([place?.epoch, place?.me, place?.leader, place?.holders], [7, 0, 0, [[0, 1]]]);
  assert.deepEqual(place?.toAll, [{ exchange: 0, key: 'cv:frames:g:a' }]);
  assert.deepEqual(place?.toMember[1], { exchange: 0, key: 'cv:frames:g:a>b' });
  assert.deepEqual(place?.incoming, [
    { key: 'cv:frames:g:b', from: 1 },
    { key: 'cv:frames:g:b>a', from: 1 },
  ]);
});

test('frames go to the exchange at which the receiver reads', async () => {
  const { parts, places } = node();
  const members = [member('a', 'redis://a'), member('b'), member('c', 'redis://c'), member('d')];
  await open(parts, planOf({ members }));
  const [place] = places;
  assert.deepEqual(
    place?.exchanges.map(({ host }) => host),
    ['a', '10.0.0.2', 'c'],
    'its own first',
  );
  assert.deepEqual(
    place?.toAll.map(({ exchange }) => exchange),
    [1, 2],
  );
  assert.deepEqual(
    place?.toMember.map(({ exchange }) => exchange),
    [0, 1, 2, 1],
  );
});

test('a newer plan gives the place up, and a step that it ends says so', async () => {
  const { parts, epochs, left } = node(async () => {
    epochs.begin();
    throw new NativeError('interrupted', 'the wait was interrupted');
  });
  const steps = await open(parts);
  await assert.rejects(async () => steps.run(1, BATCH, null, null), Superseded);
  assert.ok(left());
  await assert.rejects(async () => steps.run(2, BATCH, null, null), Superseded);
});

test('an unreachable exchange is attributed to no node', async () => {
  const { parts } = node(() => Promise.reject(new NativeError('exchange', 'The exchange: Connection refused')));
  await assert.rejects(async () => (await open(parts)).run(1, BATCH, null, null), { reason: 'exchange', lost: [] });
});

for (const [trouble, text, expected] of [
  ['late', '', { reason: 'deadline', lost: ['b'], message: /in time from b/ }],
  ['routing', '3', { reason: 'routing', lost: [], message: /layer 3 .* node b/ }],
  ['refused', 'Sent 1 outputs where 2 were expected.', { reason: 'member', lost: ['b'], message: /b: Sent 1/ }],
  ['bad_frame', 'A frame is invalid.', { reason: 'member', lost: ['b'], message: /b: A frame is invalid/ }],
  ['failure', 'member:no expert', { reason: 'member', lost: ['b'], message: /cannot go on: no expert/ }],
  ['failure', 'exchange:away', { reason: 'exchange', lost: [], message: /b: away/ }],
] as const) {
  test(`a step that ends as ${trouble} (${text}) names the node to exclude`, async () => {
    const seconds = { attendSeconds: 0, expertSeconds: 0, projectSeconds: 0, waitsMs: new Float64Array(0) };
    const report = { trouble, culprits: [1], text, ...seconds, members: [], replaced: [], framesSent: 0, bytesSent: 0 };
    const { parts } = node(() => Promise.resolve(report));
    await assert.rejects(async () => (await open(parts)).run(1, BATCH, null, null), expected);
  });
}
