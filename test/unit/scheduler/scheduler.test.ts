// The scheduler against a model of the KV cache: every row is computed exactly once before it is read, on the right block,
// and never out of another tenant's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';
import { Scheduler, type StepRows } from '../../../workers/scheduler/scheduler.ts';
import { createSequence, type Sequence } from '../../../workers/scheduler/sequence.ts';

const BLOCK = 4;

interface Slot {
  readonly tenant: string;
  readonly token: number;
  readonly position: number;
}

/** What the native session would have in its blocks. */
class ModelCache {
  readonly #slots = new Map<string, Slot>();

  run(step: readonly StepRows[]): void {
    const written = new Set<string>();
    for (const { sequence, from, count } of step) {
      for (let position = from; position < from + count; position += 1) {
        const slot = slotOf(sequence, position);
        assert.ok(!written.has(slot), 'two rows of a step write one slot');
        written.add(slot);
        this.#slots.set(slot, { tenant: sequence.tenant, token: tokenAt(sequence, position), position });
      }
    }
    for (const { sequence, from, count } of step) this.#checkAttention(sequence, from + count);
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
    const sharesPromptOf = sequences[0] ?? null;
    sequences.push(createSequence({ id, tenant: request.tenant, promptTokens, generated: [], sharesPromptOf }));
  }
  return sequences;
}

function simulate(requests: readonly Arrival[], blocks: number, prefillRows: number): void {
  const limits = { blockTokens: BLOCK, maxRows: 16, maxSequences: 5, prefillRows };
  const pool = new KvBlockPool(blocks, BLOCK);
  const scheduler = new Scheduler(pool, limits);
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
    cache.run(rows);
    scheduler.complete(rows);
    for (const { sequence } of rows) {
      if (sequence.computed === sequence.tokens.length) sequence.tokens.push(1000 + sequence.tokens.length);
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
}

test('every row is computed once, in its own block, and all work ends', () => {
  const property = fc.property(
    fc.array(arrival, { minLength: 1, maxLength: 12 }),
    // 11 blocks hold the longest sequence (30 + 12 tokens and one more) and force others to give way.
    fc.integer({ min: 11, max: 40 }),
    fc.integer({ min: 1, max: 16 }),
    simulate,
  );
  fc.assert(property, { numRuns: 300, seed: 7 });
});

function finishPrompt(scheduler: Scheduler, sequence: Sequence): number {
  scheduler.add(sequence);
  let computed = 0;
  while (sequence.computed < sequence.tokens.length) {
    const rows = scheduler.nextStep();
    computed += rows.reduce((sum, each) => sum + each.count, 0);
    scheduler.complete(rows);
  }
  return computed;
}

function sequence(id: string, tenant: string, length: number): Sequence {
  const promptTokens = Array.from({ length }, (_, i) => i);
  return createSequence({ id, tenant, promptTokens, generated: [], sharesPromptOf: null });
}

test('a prompt seen before is computed from its last full block on, by the same tenant only', () => {
  const scheduler = new Scheduler(new KvBlockPool(50, BLOCK), {
    blockTokens: BLOCK,
    maxRows: 64,
    maxSequences: 4,
    prefillRows: 64,
  });
  const first = sequence('a', 'red', 17);
  assert.equal(finishPrompt(scheduler, first), 17);
  scheduler.remove(first);
  assert.equal(finishPrompt(scheduler, sequence('b', 'red', 17)), 1);
  assert.equal(finishPrompt(scheduler, sequence('c', 'blue', 17)), 17);
});

test('a prompt that is cached whole still computes its last block, to have logits', () => {
  const scheduler = new Scheduler(new KvBlockPool(50, BLOCK), {
    blockTokens: BLOCK,
    maxRows: 64,
    maxSequences: 4,
    prefillRows: 64,
  });
  assert.equal(finishPrompt(scheduler, sequence('a', 'red', 16)), 16);
  assert.equal(finishPrompt(scheduler, sequence('b', 'red', 16)), 4);
});

test('choices of one request compute their prompt once', () => {
  const scheduler = new Scheduler(new KvBlockPool(50, BLOCK), {
    blockTokens: BLOCK,
    maxRows: 64,
    maxSequences: 4,
    prefillRows: 64,
  });
  const first = sequence('a/0', 'red', 17);
  const second = createSequence({
    id: 'a/1',
    tenant: 'red',
    promptTokens: first.tokens,
    generated: [],
    sharesPromptOf: first,
  });
  scheduler.add(first);
  scheduler.add(second);
  const step = scheduler.nextStep();
  assert.deepEqual(
    step.map((rows) => [rows.sequence.id, rows.from, rows.count]),
    [['a/0', 0, 17]],
  );
  scheduler.complete(step);
  first.tokens.push(99);
  assert.deepEqual(
    scheduler.nextStep().map((rows) => [rows.sequence.id, rows.from, rows.count]),
    [
      ['a/0', 17, 1],
      ['a/1', 16, 1],
    ],
  );
});
