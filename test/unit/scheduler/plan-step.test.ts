import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  planStep,
  type RunningSequence,
  type SchedulerView,
  type WaitingSequence,
} from '../../../workers/scheduler/plan-step.ts';

const LIMITS = { blockTokens: 64, maxRows: 256, maxSequences: 8, interTokenTarget: 2, longestPause: 2 };
/** 30 ms and 1 ms for each row: beside two answers, 32 rows of prompts double a step's time. */
const COST = { shape: { fixed: 30, perExpert: 0, experts: 1, topK: 1, perRow: 1 }, rows: [], msPerUnit: [] };

const NO_DRAFT = { chance: 0, most: 0 };

function answering(id: string, length: number, guess = NO_DRAFT): RunningSequence {
  const blocks = Math.ceil((length - 1) / 64);
  return { id, promptTokens: 5, length, computed: length - 1, blocks, ownBlocks: blocks, guess };
}

function prompting(id: string, length: number, computed: number): RunningSequence {
  const blocks = Math.ceil((length + 1) / 64);
  return { id, promptTokens: length, length, computed, blocks, ownBlocks: blocks, guess: NO_DRAFT };
}

function waiting(id: string, length: number, cachedTokens = 0): WaitingSequence {
  return { id, length, cachedTokens, takesBlocks: Math.ceil((length + 1) / 64) - cachedTokens / 64 };
}

function view(parts: Partial<SchedulerView>): SchedulerView {
  return {
    running: [],
    waiting: [],
    availableBlocks: 100,
    limits: LIMITS,
    cost: COST,
    answerCost: COST,
    owedMs: 0,
    measuresPace: false,
    ...parts,
  };
}

test('plans nothing when there is nothing', () => {
  assert.deepEqual(planStep(view({})), { preempt: [], admit: [], rows: [], answers: 0 });
});

test('gives every running answer one row before any prompt gets some', () => {
  const plan = planStep(view({ running: [prompting('p', 100, 0), answering('a', 10), answering('b', 20)] }));
  assert.deepEqual(plan.rows, [
    { id: 'a', from: 9, count: 1, guessed: 0 },
    { id: 'b', from: 19, count: 1, guessed: 0 },
    { id: 'p', from: 0, count: 32, guessed: 0 },
  ]);
});

test('lets a prompt have the whole step when no answer would wait for it', () => {
  const plan = planStep(view({ running: [prompting('p', 300, 0)] }));
  assert.deepEqual(plan.rows, [{ id: 'p', from: 0, count: 256, guessed: 0 }]);
});

test('starts behind the cached prefix', () => {
  const plan = planStep(view({ waiting: [waiting('w', 200, 128)] }));
  assert.deepEqual(plan, {
    preempt: [],
    admit: ['w'],
    rows: [{ id: 'w', from: 128, count: 72, guessed: 0 }],
    answers: 0,
  });
});

test('admits several heads while the budget lasts', () => {
  const plan = planStep(
    view({ waiting: [waiting('v', 100), waiting('w', 100), waiting('x', 100), waiting('y', 100)] }),
  );
  assert.deepEqual(plan.admit, ['v', 'w', 'x']);
  assert.deepEqual(plan.rows.at(-1), { id: 'x', from: 0, count: 56, guessed: 0 });
});

test('lets nothing overtake a head that does not fit', () => {
  const plan = planStep(
    view({ running: [answering('a', 10)], waiting: [waiting('large', 640), waiting('small', 5)], availableBlocks: 5 }),
  );
  assert.deepEqual(plan.admit, []);
  assert.deepEqual(plan.rows, [{ id: 'a', from: 9, count: 1, guessed: 0 }]);
});

test('keeps a block for every running sequence when it admits', () => {
  const running = [answering('a', 10), answering('b', 10)];
  assert.deepEqual(planStep(view({ running, waiting: [waiting('w', 60)], availableBlocks: 2 })).admit, []);
  assert.deepEqual(planStep(view({ running, waiting: [waiting('w', 60)], availableBlocks: 3 })).admit, ['w']);
});

test('lets a head that is alone have every block', () => {
  assert.deepEqual(planStep(view({ waiting: [waiting('w', 639)], availableBlocks: 10 })).admit, ['w']);
});

test('runs no more sequences than allowed', () => {
  const running = Array.from({ length: 8 }, (_, i) => answering(`a${i}`, 10));
  assert.deepEqual(planStep(view({ running, waiting: [waiting('w', 5)] })).admit, []);
});

test('the sequence admitted last gives way when an older answer needs a block', () => {
  const running = [answering('old', 65), answering('young', 30)];
  const plan = planStep(view({ running, waiting: [waiting('w', 5)], availableBlocks: 0 }));
  assert.deepEqual(plan, {
    preempt: ['young'],
    admit: [],
    rows: [{ id: 'old', from: 64, count: 1, guessed: 0 }],
    answers: 1,
  });
});

test('an answer that was admitted last gives way itself', () => {
  const running = [answering('old', 30), answering('young', 65)];
  const plan = planStep(view({ running, availableBlocks: 0 }));
  assert.deepEqual(plan, {
    preempt: ['young'],
    admit: [],
    rows: [{ id: 'old', from: 29, count: 1, guessed: 0 }],
    answers: 1,
  });
});

test('a prompt that was admitted last gives way to an answer', () => {
  const running = [answering('old', 65), prompting('young', 100, 32)];
  const plan = planStep(view({ running, availableBlocks: 0 }));
  assert.deepEqual(plan, {
    preempt: ['young'],
    admit: [],
    rows: [{ id: 'old', from: 64, count: 1, guessed: 0 }],
    answers: 1,
  });
});

const SURE = { chance: 1, most: 16 };
const FREE_ROWS = { shape: { ...COST.shape, perRow: 0 }, rows: [], msPerUnit: [] };

test('guesses what pays, and nothing while the pace of answers is measured', () => {
  const state = view({ running: [answering('a', 10, SURE), answering('b', 20)], answerCost: FREE_ROWS });
  assert.deepEqual(planStep(state).rows, [
    { id: 'a', from: 9, count: 1, guessed: 16 },
    { id: 'b', from: 19, count: 1, guessed: 0 },
  ]);
  const measured = planStep({ ...state, measuresPace: true, waiting: [waiting('w', 5)] });
  assert.deepEqual(
    measured.rows.map(({ count, guessed }) => [count, guessed]),
    [
      [1, 0],
      [1, 0],
    ],
  );
});

test('guesses fill the blocks that an answer has when others may need the rest', () => {
  const running = [answering('a', 60, SURE), answering('b', 20)];
  const guessedWith = (availableBlocks: number) => {
    return planStep(view({ running, availableBlocks, answerCost: FREE_ROWS })).rows[0]?.guessed;
  };
  assert.deepEqual([guessedWith(0), guessedWith(3), guessedWith(4)], [4, 4, 16]);
});

test('prompts get the rows that guesses leave', () => {
  const limits = { ...LIMITS, maxRows: 20, longestPause: 100, interTokenTarget: 100 };
  const state = view({
    running: [answering('a', 10, SURE)],
    waiting: [waiting('w', 50)],
    answerCost: FREE_ROWS,
    limits,
  });
  assert.deepEqual(planStep(state).rows, [
    { id: 'a', from: 9, count: 1, guessed: 16 },
    { id: 'w', from: 0, count: 3, guessed: 0 },
  ]);
});
