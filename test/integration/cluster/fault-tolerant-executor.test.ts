// A group whose nodes come and go between steps: the plans are real, what runs steps is scripted.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Redis } from 'ioredis';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { createLogger } from '../../../infra/log/logger.ts';
import { encodeHeld } from '../../../infra/messages/expert-ids.ts';
import type { GroupPlan } from '../../../infra/messages/group-plan.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import type { NodeReport } from '../../../infra/registry/node-heartbeats.ts';
import { Mutex } from '../../../infra/timing/mutex.ts';
import { countExperts } from '../../../native/model-description.ts';
import type { StepBatch } from '../../../native/model-session.ts';
import { FaultTolerantExecutor } from '../../../workers/cluster/fault-tolerant-executor.ts';
import { acquireLease, type HeldLease } from '../../../workers/cluster/lease.ts';
import { PlanAuthor } from '../../../workers/cluster/plan-author.ts';
import { StepFailure } from '../../../workers/node/step-failure.ts';
import { KvLost, StepDeferred, type StepExecutor } from '../../../workers/step/run-step.ts';
import { nodeReport } from '../../node-report.ts';
import { startRedis } from '../../start-redis.ts';
import { SMALL_MODEL } from '../../unit/model/small-model.ts';

const BATCH: StepBatch = {
  tokens: Int32Array.of(1),
  positions: Int32Array.of(0),
  sequences: Int32Array.of(0),
  blockTables: Int32Array.of(0),
  blockTableWidth: 1,
  logitRows: Int32Array.of(0),
};
const model = SMALL_MODEL;
const experts = [...Array(countExperts(model)).keys()];

const closing: (() => Promise<void>)[] = [];
let redis: Redis;

before(async () => {
  const server = await startRedis({ after: (close) => void closing.push(close) });
  redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
});
after(async () => {
  for (const close of closing) await close();
});
beforeEach(() => redis.flushall());

interface Scripted {
  readonly kept: FaultTolerantExecutor;
  readonly lease: HeldLease;
  /** Plans put to work, in their order. */
  readonly plans: GroupPlan[];
  /** What the group said that it waits for. */
  readonly waits: string[];
  /** What a step under a plan does; nothing by default. */
  onStep: (plan: GroupPlan) => void;
  /** What the check of a plan does. */
  onCheck: (plan: GroupPlan) => void;
  report(...nodes: readonly NodeReport[]): Promise<void>;
  step(): Promise<void>;
  close(): Promise<void>;
}

async function scriptedGroup(): Promise<Scripted> {
  const lease = await acquireLease({ redis, group: 'g', nodeId: 'a', leaseMs: 60_000 }, 0);
  assert.ok(lease);
  const giveUp = new AbortController();
  const author = new PlanAuthor({
    ...{ redis, lease, leader: 'a', alone: false, model, topology: 'auto', formerLeader: null, counts: () => null },
    ...{ onPlacement: () => {}, now: () => performance.now() },
  });
  const [plans, waits]: [GroupPlan[], string[]] = [[], []];
  const kept = new FaultTolerantExecutor({
    ...{
      author,
      lease,
      model,
      mutex: new Mutex(),
      late: () => [],
      giveUp: giveUp.signal,
      log: createLogger('test', 'silent'),
    },
    executorFor: async (plan): Promise<StepExecutor> => {
      plans.push(plan);
      return { vocab: 4, step: async () => scripted.onStep(plan) };
    },
    check: async (_, plan) => scripted.onCheck(plan),
    onWait: (what) => void waits.push(what),
  });
  const scripted: Scripted = {
    ...{ kept, lease, plans, waits, onStep: () => {}, onCheck: () => {} },
    report: async (...nodes) => {
      // All at once: the group looks by itself, too.
      const change = redis.multi().del('cv:nodes');
      for (const node of nodes) {
        change
          .set(`cv:node:${node.id}`, JSON.stringify({ ...node, holdings: encodeHeld(node.holdings) }))
          .zadd('cv:nodes', Date.now(), node.id);
      }
      await change.exec();
    },
    step: () => kept.step(BATCH, new Float32Array(4)),
    close: async () => {
      giveUp.abort();
      await kept.close();
      await lease.release();
    },
  };
  return scripted;
}

function membersOf(plan: GroupPlan | undefined): string {
  return plan?.members.map(({ id }) => id).join() ?? '';
}

const [a, b] = [nodeReport('a', { experts }), nodeReport('b', { experts })];

test('a step that a node was lost in is repeated under a plan without it, with a higher epoch', async (t) => {
  const group = await scriptedGroup();
  t.after(() => group.close());
  await group.report(a, b);
  await group.kept.formed();
  assert.equal(membersOf(group.plans[0]), 'a,b');
  const ran: string[] = [];
  group.onStep = (plan) => {
    if (membersOf(plan) === 'a,b') throw new StepFailure('deadline', 'No answer in time from b.', ['b']);
    ran.push(membersOf(plan));
  };
  await group.step();
  assert.deepEqual(ran, ['a']);
  assert.ok((group.plans[1]?.epoch ?? 0) > (group.plans[0]?.epoch ?? 0));
  assert.match(group.plans[1]?.reason ?? '', /No answer in time from b\.; b left/);
});

test('a failure that is not attributed to a node is retried by the same nodes under a new epoch', async (t) => {
  const group = await scriptedGroup();
  t.after(() => group.close());
  await group.report(a, b);
  await group.kept.formed();
  const [first] = group.plans;
  group.onStep = (plan) => {
    if (plan.epoch === first?.epoch) throw new StepFailure('exchange', 'The exchange does not answer.');
  };
  await group.step();
  assert.deepEqual(group.plans.map(membersOf), ['a,b', 'a,b']);
});

test('a member that lacks earlier positions has everything computed again, once', async (t) => {
  const group = await scriptedGroup();
  t.after(() => group.close());
  await group.report(a);
  await group.kept.formed();
  await group.step();
  await group.report(a, b);
  await joined(group, 'a,b');
  await assert.rejects(group.step(), KvLost);
  await group.step();
});

test('a step waits, with a reason, until a node holds what was lost, and is deferred now and then', async (t) => {
  const group = await scriptedGroup();
  t.after(() => group.close());
  const [left, right] = [
    nodeReport('a', { experts: [0, 1, 3, 4], maxExperts: 2 }),
    nodeReport('b', { experts: [2, 5], maxExperts: 1 }),
  ];
  await group.report(left, right);
  await group.kept.formed();
  group.onStep = (plan) => {
    if (plan === group.plans[0]) throw new StepFailure('deadline', 'No answer in time from b.', ['b']);
  };
  await group.report(left);
  await assert.rejects(group.step(), new StepDeferred('waits for a node to load experts 2'));
  await group.report(left, { ...right, incarnation: 'second' });
  // The process that came has no keys and values yet.
  await assert.rejects(stepUntilPlanned(group), KvLost);
  await group.step();
  assert.equal(membersOf(group.plans.at(-1)), 'a,b');
  assert.equal(group.waits.at(-1), '');
});

test('a plan that computes something else is refused, and the leader goes on alone', async (t) => {
  const group = await scriptedGroup();
  t.after(() => group.close());
  group.onCheck = (plan) => {
    if (plan.members.length > 1) throw new DomainError('generation_failed', 'The plan computes other logits.');
  };
  await group.report(a, b);
  await group.kept.formed();
  assert.deepEqual(group.plans.map(membersOf), ['a,b', 'a']);
  assert.ok(group.waits.includes('The plan computes other logits.'));
});

test('a leader that has lost the lease neither steps nor plans', async (t) => {
  const group = await scriptedGroup();
  t.after(() => group.close());
  await group.report(a, b);
  await group.kept.formed();
  group.onStep = () => {
    throw new StepFailure('deadline', 'No answer in time from b.', ['b']);
  };
  await group.lease.release();
  await assert.rejects(group.step(), { code: 'fenced' });
  assert.equal(group.plans.length, 1);
});

/** Steps again for as long as the group only waits. */
async function stepUntilPlanned(group: Scripted): Promise<void> {
  for (;;) {
    try {
      return await group.step();
    } catch (thrown) {
      if (!(thrown instanceof StepDeferred)) throw thrown;
    }
  }
}

/** Until the group has admitted the reporting nodes. */
async function joined(group: Scripted, members: string): Promise<void> {
  while (membersOf(group.plans.at(-1)) !== members) await turn();
}

/** The test's own time limit ends a wait that has no end. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
