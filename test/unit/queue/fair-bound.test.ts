import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_WEIGHT, MIN_WEIGHT, REBASE_ABOVE } from '../../../infra/redis/fair-limits.ts';
import { type FairJob, FairModel, FairnessMonitor } from '../../fair-model.ts';
import { type FairSchedule, fairSchedules, SEED } from '../../fair-schedule.ts';

let gaveWay = 0;

/** Runs a schedule on the model; returns the first broken pair, or null. */
function run(schedule: FairSchedule): string | null {
  const weights = new Map(schedule.weights.map((weight, index) => [`q${index}`, weight]));
  const names = [...weights.keys()];
  const model = new FairModel(schedule.startAt);
  for (const [name, weight] of weights) model.addQueue(name, weight);
  const witness = new FairnessMonitor(schedule.slots, weights);
  const running: FairJob[] = [];
  const use = (job: FairJob, part: number): void => {
    const tokens = Math.floor((job.reserved - job.used) * part);
    job.used += tokens;
    witness.serve(job.queue, tokens);
  };
  for (const step of schedule.steps) {
    if (step.kind === 'arrive') {
      const queue = names[step.queue % names.length] ?? '';
      witness.reserve(queue, step.reserved);
      model.enqueue({ queue, reserved: step.reserved, used: 0 });
    } else if (step.kind === 'reweigh') {
      const queue = names[step.queue % names.length] ?? '';
      model.reweigh(queue, step.weight);
      witness.reweigh(queue, step.weight);
    } else if (step.kind === 'take') {
      for (const leaving of model.whoGivesWay(running, schedule.slots)) {
        running.splice(running.indexOf(leaving), 1);
        model.giveBack(leaving);
        gaveWay += 1;
      }
      const job = running.length < schedule.slots ? model.take() : null;
      if (job !== null) running.push(job);
    } else {
      const job = running[step.job % Math.max(1, running.length)];
      if (job === undefined) continue;
      use(job, step.part);
      if (step.kind === 'finish') {
        running.splice(running.indexOf(job), 1);
        model.settle(job);
      }
    }
    const broken = witness.check(new Set(names.filter((name) => model.isWaiting(name))));
    if (broken !== null) return broken;
  }
  return null;
}

test('tokens served to two backlogged queues stay within (slots + 1) x their largest reservations', () => {
  fc.assert(
    fc.property(fairSchedules(200), (schedule) => {
      assert.equal(run(schedule), null);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
  assert.ok(gaveWay > 1_000, `${gaveWay} answers gave way`);
});

test('counters stay small over a long history at the smallest and the largest weight', () => {
  const model = new FairModel();
  model.addQueue('light', MIN_WEIGHT);
  model.addQueue('heavy', MAX_WEIGHT);
  const reserved = 2_000_000;
  for (let turn = 0; turn < 20_000; turn += 1) {
    if (!model.isWaiting('light')) model.enqueue({ queue: 'light', reserved, used: 0 });
    if (turn % 2 === 0) model.enqueue({ queue: 'heavy', reserved: 1, used: 0 });
    const job = model.take();
    assert.ok(job);
    job.used = job.reserved;
    model.settle(job);
    assert.ok(model.largest() <= REBASE_ABOVE + 2 * (reserved / MIN_WEIGHT), String(model.largest()));
  }
});

test('a queue that wakes up gets no credit for the time that it was idle', () => {
  const model = new FairModel();
  model.addQueue('busy', 1);
  model.addQueue('idle', 1);
  for (let index = 0; index < 10; index += 1) model.enqueue({ queue: 'busy', reserved: 100, used: 0 });
  for (let index = 0; index < 5; index += 1) {
    const job = model.take();
    assert.equal(job?.queue, 'busy');
  }
  for (let index = 0; index < 5; index += 1) model.enqueue({ queue: 'idle', reserved: 100, used: 0 });
  const order = Array.from({ length: 4 }, () => model.take()?.queue);
  assert.deepEqual(order, ['idle', 'busy', 'idle', 'busy']);
});

test('a neighbour whose large reservations come back unused does not break the bound for others', () => {
  const weights = new Map([
    ['large', 1],
    ['small', 1],
    ['late', 1],
  ]);
  const model = new FairModel();
  const witness = new FairnessMonitor(5, weights);
  for (const name of weights.keys()) model.addQueue(name, 1);
  const arrive = (queue: string, reserved: number, count: number): void => {
    for (let index = 0; index < count; index += 1) model.enqueue({ queue, reserved, used: 0 });
    witness.reserve(queue, reserved);
  };
  const check = (): void => {
    assert.equal(witness.check(new Set([...weights.keys()].filter((name) => model.isWaiting(name)))), null);
  };
  const serveWhole = (job: FairJob): void => {
    job.used = job.reserved;
    witness.serve(job.queue, job.used);
    model.settle(job);
    check();
  };
  arrive('large', 4_000, 8);
  arrive('small', 10, 2_000);
  const held: FairJob[] = [];
  while (held.length < 4) {
    const job = model.take();
    assert.ok(job);
    if (job.queue === 'large') held.push(job);
    else serveWhole(job);
  }
  // Lifted to the smallest counter, which these refunds make small, `late` would now have a lead of thousands of tokens.
  for (const job of held) model.settle(job);
  arrive('late', 10, 100);
  for (let count = 0; count < 200; count += 1) {
    const job = model.take();
    assert.ok(job);
    serveWhole(job);
  }
});
