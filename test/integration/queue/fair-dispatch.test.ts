import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GenerationQueue } from '../../../gateway/queue/enqueue-generation.ts';
import { controlQueues } from '../../../infra/queue/control-queues.ts';
import { encodeQueueName } from '../../../infra/queue/queue-name.ts';
import { repairCounters } from '../../../infra/queue/reap-generations.ts';
import { REBASE_ABOVE } from '../../../infra/redis/fair-limits.ts';
import { runScript } from '../../../infra/redis/scripts.ts';
import { OwnedJobs } from '../../../workers/queue/owned-jobs.ts';
import { type HeldJob, readLine } from '../../../workers/queue/read-line.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { type Holding, whoGivesWay } from '../../../workers/scheduler/who-gives-way.ts';
import { type FairJob, FairModel, FairnessMonitor } from '../../fair-model.ts';
import { type FairSchedule, fairSchedules, SEED } from '../../fair-schedule.ts';
import {
  FINISHED,
  type Leader,
  makeRequest,
  type QueueFixture,
  startQueueFixture,
  tokensEvent,
} from '../../queue-fixture.ts';

interface RunningJob extends FairJob {
  readonly id: string;
  seq: number;
}

/** Runs a schedule against Redis and the model at once: same choices, and the bound holds. */
async function run(schedule: FairSchedule, queue: GenerationQueue, leader: Leader): Promise<void> {
  const { model } = leader.parts;
  const tenants = schedule.weights.map((_weight, index) => `tenant-${index}`);
  const weights = new Map(schedule.weights.map((weight, index) => [nameOf(model, tenants[index] ?? ''), weight]));
  const names = [...weights.keys()];
  const oracle = new FairModel(schedule.startAt);
  await leader.parts.redis.hset(`cv:fair:${model}`, 'v', schedule.startAt);
  for (const [name, weight] of weights) {
    oracle.addQueue(name, weight);
    await leader.parts.redis.hset(`cv:fair:${model}`, `w:${name}`, weight);
  }
  const witness = new FairnessMonitor(schedule.slots, weights);
  const running: RunningJob[] = [];
  for (const step of schedule.steps) {
    if (step.kind === 'arrive') {
      const index = step.queue % names.length;
      const request = makeRequest({ model, tenant: tenants[index] ?? '', prompts: [[]], maxTokens: step.reserved });
      await queue.enqueue({ request, waitingLimit: 1_000, idempotency: null });
      const name = names[index] ?? '';
      witness.reserve(name, step.reserved);
      oracle.enqueue({ queue: name, reserved: step.reserved, used: 0 });
    } else if (step.kind === 'reweigh') {
      const name = names[step.queue % names.length] ?? '';
      oracle.reweigh(name, step.weight);
      witness.reweigh(name, step.weight);
      await runScript(leader.parts.redis, 'set-weight', [`cv:fair:${model}`], [model, name, step.weight]);
    } else if (step.kind === 'take') {
      await makeRoom(running, oracle, leader, schedule.slots);
      if (running.length < schedule.slots) await take(running, oracle, leader);
    } else {
      const job = running[step.job % Math.max(1, running.length)];
      if (job === undefined) continue;
      witness.serve(job.queue, await use(job, step.part, leader));
      if (step.kind === 'finish') await finish(job, running, oracle, leader);
    }
    const waiting = new Set(names.filter((name) => oracle.isWaiting(name)));
    assert.equal(witness.check(waiting), null);
  }
}

function nameOf(model: string, tenant: string): string {
  return encodeQueueName({ model, tenant });
}

async function take(running: RunningJob[], oracle: FairModel, leader: Leader): Promise<void> {
  const expected = oracle.take();
  const taken = await takeNext(leader.parts);
  assert.equal(taken === null ? null : encodeQueueName(taken.request), expected?.queue ?? null);
  if (taken === null || expected === null) return;
  assert.equal(taken.request.maxTokens, expected.reserved);
  // The model settles the object that it handed out.
  running.push(Object.assign(expected, { id: taken.request.id, seq: 0 }));
}

/** What the model would have give way does. */
async function makeRoom(running: RunningJob[], oracle: FairModel, leader: Leader, slots: number): Promise<void> {
  const expected = oracle.whoGivesWay(running, slots);
  const line = running.length < slots ? null : await readLine(leader.parts, null);
  const leaving = line === null ? [] : whoGivesWay({ ...line, amount: 1, lacking: 1 }, ofOne(line.held), slots);
  assert.deepEqual(
    leaving,
    expected.map(({ id }) => id),
  );
  for (const job of expected) {
    running.splice(running.indexOf(job), 1);
    oracle.giveBack(job);
    await leader.parts.owned.release(job.id);
  }
}

function ofOne(held: readonly HeldJob[]): readonly Holding[] {
  return held.map((job) => ({ ...job, amount: 1 }));
}

async function use(job: RunningJob, part: number, leader: Leader): Promise<number> {
  const tokens = Math.floor((job.reserved - job.used) * part);
  if (tokens === 0) return 0;
  job.used += tokens;
  job.seq += 1;
  const event = tokensEvent(job.seq, tokens);
  assert.deepEqual(await leader.writer.append([{ id: job.id, seq: job.seq, event }]), []);
  return tokens;
}

async function finish(job: RunningJob, running: RunningJob[], oracle: FairModel, leader: Leader): Promise<void> {
  running.splice(running.indexOf(job), 1);
  oracle.settle(job);
  await leader.writer.finish(job.id, job.seq + 1, FINISHED);
  await leader.parts.owned.done(job.id, null);
}

test('the scripts choose what the model chooses, and the bound holds, under adversarial schedules', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const leader = await fixture.lead('g');
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fairSchedules(60), async (schedule) => {
      runs += 1;
      const { redis, queues, group, fence } = leader.parts;
      const owned = new OwnedJobs(redis, queues, group, fence);
      await run(schedule, queue, { ...leader, parts: { ...leader.parts, owned, model: `model-${runs}` } });
    }),
    { seed: SEED, numRuns: 25, endOnFailure: true },
  );
});

test('answers of a tenant that took every place give way to others, newest first, and are taken again in their order', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const { parts } = await fixture.lead('g');
  const enqueue = async (tenant: string): Promise<string> => {
    const request = makeRequest({ tenant });
    await queue.enqueue({ request, waitingLimit: 100, idempotency: null });
    return request.id;
  };
  const take = async (): Promise<string | undefined> => (await takeNext(parts))?.request.id;
  const [first, second, third, fourth] = [
    await enqueue('many'),
    await enqueue('many'),
    await enqueue('many'),
    await enqueue('many'),
  ];
  assert.deepEqual([await take(), await take(), await take()], [first, second, third]);
  const few = [await enqueue('few'), await enqueue('few')];
  await controlQueues(fixture.redis).setWeight('demo@few', 2);
  for (const expected of [third, second]) {
    const line = await readLine(parts, null);
    assert.equal(line?.queue, 'demo@few');
    const leaving = line === null ? [] : whoGivesWay({ ...line, amount: 1, lacking: 1 }, ofOne(line.held), 3);
    assert.deepEqual(leaving, [expected]);
    await parts.owned.release(expected ?? '');
    assert.ok(few.includes((await take()) ?? ''));
  }
  assert.deepEqual([await take(), await take(), await take()], [second, third, fourth]);
  const counters = await fixture.redis.hgetall('cv:fair:demo');
  assert.equal(Number(counters['c:demo@many']), 4 * 13, 'charged once for each');
});

test('the line of a request that waits in the group is its own', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const { parts } = await fixture.lead('g');
  assert.equal(await readLine(parts, null), null);
  for (const tenant of ['a', 'b']) {
    await queue.enqueue({ request: makeRequest({ tenant }), waitingLimit: 100, idempotency: null });
  }
  const [a, b] = [(await takeNext(parts))?.request.id ?? '', (await takeNext(parts))?.request.id ?? ''];
  assert.equal(await readLine(parts, null), null);
  assert.deepEqual(await readLine(parts, b), {
    queue: 'demo@b',
    weight: 1,
    held: [
      { id: a, queue: 'demo@a', weight: 1, isLater: false },
      { id: b, queue: 'demo@b', weight: 1, isLater: false },
    ],
  });
});

test('two leaders that take at the same moment share the queues without losing or repeating a request', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const leaders = [await fixture.lead('g1'), await fixture.lead('g2')];
  const tenants = ['a', 'b', 'c'];
  const requests = Array.from({ length: 60 }, (_, index) => makeRequest({ tenant: tenants[index % 3] ?? '' }));
  for (const request of requests) await queue.enqueue({ request, waitingLimit: 100, idempotency: null });
  const takeAll = async (leader: Leader): Promise<string[]> => {
    const ids: string[] = [];
    for (let taken = await takeNext(leader.parts); taken !== null; taken = await takeNext(leader.parts)) {
      ids.push(taken.request.id);
    }
    return ids;
  };
  const taken = await Promise.all(leaders.flatMap((leader) => [takeAll(leader), takeAll(leader)]));
  assert.deepEqual(taken.flat().sort(), requests.map(({ id }) => id).sort());
  const counters = await fixture.redis.hgetall('cv:fair:demo');
  for (const tenant of tenants) assert.equal(Number(counters[`c:demo@${tenant}`]), 20 * 13, 'charged once for each');
});

test('a heavier tenant gets its share', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const { parts } = await fixture.lead('g');
  for (let index = 0; index < 30; index += 1) {
    for (const tenant of ['heavy', 'light']) {
      await queue.enqueue({ request: makeRequest({ tenant }), waitingLimit: 100, idempotency: null });
    }
  }
  await controlQueues(fixture.redis).setWeight('demo@heavy', 3);
  let heavy = 0;
  for (let index = 0; index < 40; index += 1) {
    if ((await takeNext(parts))?.request.tenant === 'heavy') heavy += 1;
  }
  assert.equal(heavy, 30);
});

test('a paused queue is passed over until it resumes, and earns no credit meanwhile', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const { parts } = await fixture.lead('g');
  const control = controlQueues(fixture.redis);
  for (let index = 0; index < 6; index += 1) {
    for (const tenant of ['a', 'b']) {
      await queue.enqueue({ request: makeRequest({ tenant }), waitingLimit: 100, idempotency: null });
    }
  }
  const next = async (): Promise<string | undefined> => (await takeNext(parts))?.request.tenant;
  await control.pause('demo@a');
  assert.deepEqual([await next(), await next(), await next()], ['b', 'b', 'b']);
  await control.resume('demo@a');
  // Counters: b 39 after its last pick at 26; a is lifted to 26. With credit for the pause a would come three times first.
  assert.deepEqual([await next(), await next(), await next(), await next()], ['a', 'a', 'b', 'a']);
  await control.pause('demo@a');
  await control.pause('demo@b');
  assert.equal(await next(), undefined);
});

test('control over a queue that never was is not_found', async (t) => {
  const fixture = await startQueueFixture(t);
  const control = controlQueues(fixture.redis);
  const expected = { code: 'not_found', message: 'No queue is named "demo@unknown".' };
  await assert.rejects(control.pause('demo@unknown'), expected);
  await assert.rejects(control.setDraining('demo@unknown', true), expected);
  await fixture.gatewayQueue().enqueue({ request: makeRequest(), waitingLimit: 1, idempotency: null });
  await assert.rejects(control.setWeight('demo@key=3Aacme', 0), {
    code: 'invalid_request',
    message: 'Expected a number from 0.001 to 1000 for `weight` but received 0.',
  });
});

/** Requests of two tenants that wait, so that both have counters. */
async function twoTenants(fixture: QueueFixture): Promise<void> {
  const queue = fixture.gatewayQueue();
  for (let index = 0; index < 6; index += 1) {
    for (const tenant of ['a', 'b']) {
      await queue.enqueue({ request: makeRequest({ tenant }), waitingLimit: 100, idempotency: null });
    }
  }
}

const DAMAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a counter that is infinite': { 'c:demo@a': 'inf' },
  'a counter that is minus infinite': { 'c:demo@a': '-inf' },
  'a counter that is not a number': { 'c:demo@a': '-nan' },
  'a virtual time that is infinite': { 'c:demo@a': 'inf', v: 'inf' },
  'numbers so large that a request adds nothing to them': { 'c:demo@a': '1e23', 'c:demo@b': '1e23', v: '1e23' },
};

for (const [damage, fields] of Object.entries(DAMAGES)) {
  test(`${damage} is repaired, reported, and dispatch is fair again`, async (t) => {
    const fixture = await startQueueFixture(t);
    const { parts } = await fixture.lead('g');
    await twoTenants(fixture);
    await fixture.redis.hset('cv:fair:demo', fields);
    for (const [field, value] of Object.entries(fields)) {
      const score = value === '-nan' ? '0' : value;
      if (field !== 'v') await fixture.redis.zadd('cv:ready:demo', 'XX', score, field.slice(2));
    }
    const problems: unknown[] = [];
    const onProblem = (problem: unknown) => void problems.push(problem);
    await repairCounters({ redis: fixture.redis, onProblem });
    assert.match(String(problems), /^DomainError: Reset \d damaged fair-share counters of the model 'demo'/);
    await repairCounters({ redis: fixture.redis, onProblem });
    assert.equal(problems.length, 1, 'reported once');
    const served = new Map<string, number>();
    for (let index = 0; index < 8; index += 1) {
      const tenant = (await takeNext(parts))?.request.tenant ?? '';
      served.set(tenant, (served.get(tenant) ?? 0) + 1);
    }
    assert.deepEqual(Object.fromEntries([...served].sort()), { a: 4, b: 4 });
  });
}

test('a weight that is older than the bounds harms no counter, at dispatch or at the end', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  await twoTenants(fixture);
  for (const weight of ['5e-324', '1e-20', 'nan', '0', 'inf']) {
    await fixture.redis.hset('cv:fair:demo', 'w:demo@a', weight);
    const taken = [await takeNext(leader.parts), await takeNext(leader.parts)];
    for (const generation of taken) await leader.writer.finish(generation?.request.id ?? '', 1, FINISHED);
    const { v, ...fair } = await fixture.redis.hgetall('cv:fair:demo');
    for (const number of [v, fair['c:demo@a'], fair['c:demo@b']]) assert.ok(Math.abs(Number(number)) < 1e6, number);
  }
});

test('a dispatch repairs what it finds before the reaper comes', async (t) => {
  const fixture = await startQueueFixture(t);
  const { parts } = await fixture.lead('g');
  await twoTenants(fixture);
  await fixture.redis.hset('cv:fair:demo', { 'c:demo@a': '1e23', 'c:demo@b': 'inf', v: '1e23' });
  await fixture.redis.zadd('cv:ready:demo', 'XX', '1e23', 'demo@a', 'inf', 'demo@b');
  const order = [await takeNext(parts), await takeNext(parts), await takeNext(parts)];
  assert.deepEqual(
    order.map((taken) => taken?.request.tenant),
    ['a', 'b', 'a'],
  );
  assert.equal(await fixture.redis.hget('cv:fair:demo', 'repaired'), '3');
});

test('a debt from a moment at the smallest weight is the same number of tokens afterwards', async (t) => {
  const fixture = await startQueueFixture(t);
  const { parts } = await fixture.lead('g');
  const control = controlQueues(fixture.redis);
  await twoTenants(fixture);
  await control.setWeight('demo@a', 0.001);
  assert.deepEqual((await takeNext(parts))?.request.tenant, 'a');
  await control.setWeight('demo@a', 1);
  assert.equal(Number(await fixture.redis.hget('cv:fair:demo', 'c:demo@a')), 13);
  assert.equal(Number(await fixture.redis.zscore('cv:ready:demo', 'demo@a')), 13);
  const order = [await takeNext(parts), await takeNext(parts), await takeNext(parts)];
  assert.deepEqual(
    order.map((taken) => taken?.request.tenant),
    ['b', 'a', 'b'],
  );
});

test('two leaders that dispatch while counters are rebased serve two tenants alike', async (t) => {
  const fixture = await startQueueFixture(t);
  const leaders = [await fixture.lead('g1'), await fixture.lead('g2')];
  await fixture.redis.hset('cv:fair:demo', 'v', REBASE_ABOVE - 30);
  const queue = fixture.gatewayQueue();
  for (let index = 0; index < 20; index += 1) {
    for (const tenant of ['a', 'b']) {
      await queue.enqueue({ request: makeRequest({ tenant }), waitingLimit: 100, idempotency: null });
    }
  }
  const takeTen = async (leader: Leader): Promise<string[]> => {
    const tenants: string[] = [];
    while (tenants.length < 10) tenants.push((await takeNext(leader.parts))?.request.tenant ?? '');
    return tenants;
  };
  const taken = (await Promise.all(leaders.map(takeTen))).flat();
  assert.equal(taken.filter((tenant) => tenant === 'a').length, 10);
  assert.ok(Number(await fixture.redis.hget('cv:fair:demo', 'v')) < 1_000, 'they were rebased');
});
