// The scheduler against a model of the KV cache: every row is computed exactly once before it is read, on the right block,
// and never out of another tenant's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';
import { Scheduler } from '../../../workers/scheduler/scheduler.ts';
import { createSequence, type Sequence } from '../../../workers/scheduler/sequence.ts';
import { type CostShape, stepMs } from '../../../workers/scheduler/step-cost.ts';
import type { StepRows } from '../../../workers/scheduler/step-rows.ts';

const BLOCK = 4;
/** Steps of some fixed cost and one unit per row. */
const shapeOf = (fixed: number): CostShape => ({ fixed, perExpert: 0, experts: 1, topK: 1, perRow: 1 });
const PACE = { interTokenTarget: 2, longestPause: 4 };

function msOf(step: readonly StepRows[], shape: CostShape): number {
  const rows = step.reduce((sum, { count }) => sum + count, 0);
  return stepMs({ shape, rows: [], msPerUnit: [] }, rows);
}

interface Slot {
  readonly tenant: string;
  readonly token: number;
  readonly position: number;
}

/** What the native session would have in its blocks. */
class ModelCache {
  readonly #slots = new Map<string, Slot>();
  /** How often a full block of a prompt was computed, by tenant and the tokens up to its end. */
  readonly promptBlocks = new Map<string, number>();

  run(step: readonly StepRows[]): void {
    const written = new Set<string>();
    for (const { sequence, from, count } of step) {
      for (let position = from; position < from + count; position += 1) {
        const slot = slotOf(sequence, position);
        assert.ok(!written.has(slot), 'two rows of a step write one slot');
        written.add(slot);
        this.#slots.set(slot, { tenant: sequence.tenant, token: tokenAt(sequence, position), position });
        this.#countBlock(sequence, position + 1);
      }
    }
    for (const { sequence, from, count } of step) this.#checkAttention(sequence, from + count);
  }

  lose(): void {
    this.#slots.clear();
  }

  #countBlock(sequence: Sequence, end: number): void {
    if (end % BLOCK !== 0 || end >= sequence.promptTokens) return;
    const prefix = `${sequence.tenant}:${sequence.tokens.slice(0, end).join()}`;
    this.promptBlocks.set(prefix, (this.promptBlocks.get(prefix) ?? 0) + 1);
  }

  #checkAttention(sequence: Sequence, end: number): void {
    for (let position = 0; position < end; position += 1) {
      const expected = { tenant: sequence.tenant, token: tokenAt(sequence, position), position };
      assert.deepEqual(this.#slots.get(slotOf(sequence, position)), expected);
    }
  }
}

function slotOf(sequence: Sequence, position: number): string {
  const block = sequence.blocks[Math.floor(position / BLOCK)];
  assert.ok(block !== undefined, `${sequence.id} has a block for position ${position}`);
  return `${block}:${position % BLOCK}`;
}

function tokenAt(sequence: Sequence, position: number): number {
  const token = sequence.tokens[position];
  assert.ok(token !== undefined);
  return token;
}

interface Arrival {
  readonly tenant: string;
  readonly promptLength: number;
  readonly prefixSeed: number;
  readonly answerLength: number;
  readonly choices: number;
  readonly atStep: number;
  readonly cancelledAfter: number;
}

const arrival: fc.Arbitrary<Arrival> = fc.record({
  tenant: fc.constantFrom('red', 'blue'),
  promptLength: fc.integer({ min: 1, max: 30 }),
  prefixSeed: fc.integer({ min: 0, max: 2 }),
  answerLength: fc.integer({ min: 1, max: 12 }),
  choices: fc.integer({ min: 1, max: 3 }),
  atStep: fc.integer({ min: 0, max: 30 }),
  cancelledAfter: fc.oneof(fc.constant(1000), fc.integer({ min: 0, max: 10 })),
});

function sequencesOf(request: Arrival, index: number): Sequence[] {
  const promptTokens = Array.from({ length: request.promptLength }, (_, i) => request.prefixSeed * 100 + i);
  const sequences: Sequence[] = [];
  for (let choice = 0; choice < request.choices; choice += 1) {
    const id = `${index}/${choice}`;
    sequences.push(createSequence({ id, tenant: request.tenant, promptTokens, generated: [], maxTokens: 1e9 }));
  }
  return sequences;
}

/** The cache's contents are lost in each `lossEvery`-th step; each `deferEvery`-th is planned and not run. */
function simulate(
  requests: readonly Arrival[],
  blocks: number,
  shape: CostShape,
  lossEvery = Number.POSITIVE_INFINITY,
  deferEvery = Number.POSITIVE_INFINITY,
): ModelCache {
  const limits = { blockTokens: BLOCK, maxRows: 16, maxSequences: 5, ...PACE };
  const pool = new KvBlockPool(blocks, BLOCK);
  const scheduler = new Scheduler(pool, limits, shape);
  const cache = new ModelCache();
  const live = new Map<Sequence, Arrival>();
  for (let step = 0; step < 2000; step += 1) {
    for (const [index, request] of requests.entries()) {
      if (request.atStep !== step) continue;
      for (const sequence of sequencesOf(request, index)) {
        live.set(sequence, request);
        scheduler.add(sequence);
      }
    }
    const rows = scheduler.nextStep();
    assert.ok(rows.reduce((sum, each) => sum + each.count, 0) <= limits.maxRows);
    if (step % lossEvery === lossEvery - 1) {
      cache.lose();
      scheduler.preemptAll();
      continue;
    }
    if (step % deferEvery !== deferEvery - 1) {
      cache.run(rows);
      scheduler.complete(rows, msOf(rows, shape));
      for (const { sequence } of rows) {
        if (sequence.computed === sequence.tokens.length) sequence.tokens.push(1000 + sequence.tokens.length);
      }
    }
    for (const [sequence, request] of live) {
      const generated = sequence.tokens.length - sequence.promptTokens;
      if (generated >= request.answerLength || step - request.atStep > request.cancelledAfter) {
        scheduler.remove(sequence);
        live.delete(sequence);
      }
    }
    if (live.size === 0 && step > 30) break;
    assert.ok(rows.length > 0 || scheduler.running + scheduler.waiting === 0, 'work stands still');
  }
  assert.equal(live.size, 0, 'every sequence ended');
  assert.equal(pool.available, blocks, 'every block came back');
  return cache;
}

test('every row is computed once, in its own block, and all work ends', () => {
  const property = fc.property(
    fc.array(arrival, { minLength: 1, maxLength: 12 }),
    // 11 blocks hold the longest sequence (30 + 12 tokens and one more) and force others to give way.
    fc.integer({ min: 11, max: 40 }),
    fc.integer({ min: 0, max: 20 }),
    fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 40, max: 60 })),
    fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 2, max: 9 })),
    (requests, blocks, fixed, lossEvery, deferEvery) =>
      void simulate(requests, blocks, shapeOf(fixed), lossEvery, deferEvery),
  );
  fc.assert(property, { numRuns: 300, seed: 7 });
});

test('where blocks suffice, a tenant computes no full block of a prompt twice, however its requests arrive', () => {
  const patient = arrival.map((request) => ({ ...request, cancelledAfter: 1000 }));
  const property = fc.property(
    fc.array(patient, { minLength: 1, maxLength: 12 }),
    fc.integer({ min: 0, max: 20 }),
    (requests, fixed) => {
      const { promptBlocks } = simulate(requests, 500, shapeOf(fixed));
      assert.ok([...promptBlocks.values()].every((times) => times === 1));
    },
  );
  fc.assert(property, { numRuns: 300, seed: 11 });
});

function schedulerOf(maxRows: number): Scheduler {
  const limits = { blockTokens: BLOCK, maxRows, maxSequences: 4, ...PACE };
  return new Scheduler(new KvBlockPool(50, BLOCK), limits, shapeOf(1));
}

function finishPrompt(scheduler: Scheduler, sequence: Sequence): number {
  scheduler.add(sequence);
  let computed = 0;
  while (sequence.computed < sequence.tokens.length) {
    const rows = scheduler.nextStep();
    computed += rows.reduce((sum, each) => sum + each.count, 0);
    scheduler.complete(rows, 1);
  }
  return computed;
}

function sequence(id: string, tenant: string, length: number): Sequence {
  const promptTokens = Array.from({ length }, (_, i) => i);
  return createSequence({ id, tenant, promptTokens, generated: [], maxTokens: 1e9 });
}

test('a prompt seen before is computed from its last full block on, by the same tenant only', () => {
  const scheduler = schedulerOf(64);
  const first = sequence('a', 'red', 17);
  assert.equal(finishPrompt(scheduler, first), 17);
  scheduler.remove(first);
  assert.equal(finishPrompt(scheduler, sequence('b', 'red', 17)), 1);
  assert.equal(finishPrompt(scheduler, sequence('c', 'blue', 17)), 17);
});

test('a prompt that is cached whole still computes its last block, to have logits', () => {
  const scheduler = schedulerOf(64);
  assert.equal(finishPrompt(scheduler, sequence('a', 'red', 16)), 16);
  assert.equal(finishPrompt(scheduler, sequence('b', 'red', 16)), 4);
});

test('choices of one request compute their prompt once', () => {
  const scheduler = schedulerOf(64);
  const first = sequence('a/0', 'red', 17);
  const second = sequence('a/1', 'red', 17);
  scheduler.add(first);
  scheduler.add(second);
  const step = scheduler.nextStep();
  assert.deepEqual(
    step.map((rows) => [rows.sequence.id, rows.from, rows.count]),
    [['a/0', 0, 17]],
  );
  scheduler.complete(step, 1);
  first.tokens.push(99);
  assert.deepEqual(runStep(scheduler), [['a/0', 17, 1]], 'the pace of answers alone is measured first');
  first.tokens.push(100);
  assert.deepEqual(runStep(scheduler), [
    ['a/0', 18, 1],
    ['a/1', 16, 1],
  ]);
});

function plannedRows(step: readonly StepRows[]): readonly (readonly [string, number, number])[] {
  return step.map(({ sequence, from, count }) => [sequence.id, from, count]);
}

function runStep(scheduler: Scheduler): readonly (readonly [string, number, number])[] {
  const step = scheduler.nextStep();
  scheduler.complete(step, 1);
  return plannedRows(step);
}

test('a request waits for another of its tenant that computes the same prefix; another tenant computes its own', () => {
  const scheduler = schedulerOf(8);
  for (const each of [sequence('a', 'red', 21), sequence('b', 'blue', 21), sequence('c', 'red', 19)]) {
    scheduler.add(each);
  }
  assert.deepEqual(runStep(scheduler), [['a', 0, 8]]);
  assert.deepEqual(runStep(scheduler), [['a', 8, 8]]);
  assert.deepEqual(runStep(scheduler), [
    ['a', 16, 5],
    ['b', 0, 3],
  ]);
  assert.deepEqual(runStep(scheduler), [['b', 3, 8]]);
  assert.deepEqual(runStep(scheduler), [['b', 11, 8]]);
  assert.deepEqual(runStep(scheduler), [
    ['b', 19, 2],
    ['c', 16, 3],
  ]);
});

test('when the one that computes a shared prefix is cancelled, one of those who wait computes the rest', () => {
  const scheduler = schedulerOf(8);
  const [a, b, c] = [sequence('a', 'red', 20), sequence('b', 'red', 20), sequence('c', 'red', 20)];
  for (const each of [a, b, c]) scheduler.add(each);
  assert.deepEqual(runStep(scheduler), [['a', 0, 8]]);
  scheduler.remove(a);
  assert.deepEqual(runStep(scheduler), [['b', 8, 8]]);
  assert.deepEqual(runStep(scheduler), [
    ['b', 16, 4],
    ['c', 16, 4],
  ]);
});
