import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GenerationQueue } from '../../../gateway/queue/enqueue-generation.ts';
import { controlQueues } from '../../../infra/queue/control-queues.ts';
import { encodeQueueName } from '../../../infra/queue/queue-name.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { type FairJob, FairModel, FairnessWitness } from '../../fair-model.ts';
import { type FairSchedule, fairSchedules, SEED } from '../../fair-schedule.ts';
import { FINISHED, type Leader, makeRequest, startQueueFixture, tokensEvent } from '../../queue-fixture.ts';

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
  const oracle = new FairModel();
  for (const [name, weight] of weights) {
    oracle.addQueue(name, weight);
    await leader.parts.redis.hset(`cv:fair:${model}`, `w:${name}`, weight);
  }
  const witness = new FairnessWitness(schedule.slots, weights);
  const running: RunningJob[] = [];
  for (const step of schedule.steps) {
    if (step.kind === 'arrive') {
      const index = step.queue % names.length;
      const request = makeRequest({ model, tenant: tenants[index] ?? '', promptTokens: [], maxTokens: step.reserved });
      await queue.enqueue({ request, waitingLimit: 1_000, idempotency: null });
      const name = names[index] ?? '';
      witness.reserve(name, step.reserved);
      oracle.enqueue({ queue: name, reserved: step.reserved, used: 0 });
    } else if (step.kind === 'take') {
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
      await run(schedule, queue, { ...leader, parts: { ...leader.parts, model: `model-${runs}` } });
    }),
    { seed: SEED, numRuns: 25, endOnFailure: true },
  );
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
  const expected = { code: 'not_found', message: 'There is no queue "demo@nobody".' };
  await assert.rejects(control.pause('demo@nobody'), expected);
  await assert.rejects(control.setDraining('demo@nobody', true), expected);
  await fixture.gatewayQueue().enqueue({ request: makeRequest(), waitingLimit: 1, idempotency: null });
  await assert.rejects(control.setWeight('demo@key=3Aacme', 0), {
    code: 'invalid_request',
    message: 'Expected a number above 0, at most 1000, for `weight` but received 0.',
  });
});
