import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSequence, type Sequence } from '../../../workers/scheduler/sequence.ts';
import { buildStepBatch, yieldsToken } from '../../../workers/step/build-step-batch.ts';

function sequence(tokens: readonly number[], blocks: readonly number[]): Sequence {
  const made = createSequence({ id: 's', tenant: 't', promptTokens: tokens, generated: [], maxTokens: 1e9 });
  made.blocks.push(...blocks);
  return made;
}

const plain = (array: Int32Array) => [...array];

test('a row that answers asks for logits', () => {
  const batch = buildStepBatch([{ sequence: sequence([5, 6, 7], [9]), from: 2, count: 1, draft: [] }]);
  assert.deepEqual([plain(batch.tokens), plain(batch.positions), plain(batch.logitRows)], [[7], [2], [0]]);
});

test('a piece of a prompt before its end asks for none', () => {
  const step = [{ sequence: sequence([5, 6, 7], [9]), from: 0, count: 2, draft: [] }];
  const batch = buildStepBatch(step);
  assert.deepEqual([plain(batch.tokens), plain(batch.positions), plain(batch.logitRows)], [[5, 6], [0, 1], []]);
  assert.deepEqual(step.map(yieldsToken), [false]);
});

test('rows of several sequences name their block tables, which are padded to the widest', () => {
  const batch = buildStepBatch([
    { sequence: sequence([1, 2, 3, 4, 5], [7, 3]), from: 4, count: 1, draft: [] },
    { sequence: sequence([6, 7, 8], [0]), from: 0, count: 2, draft: [] },
    { sequence: sequence([9, 10], [2]), from: 0, count: 2, draft: [] },
  ]);
  assert.deepEqual(plain(batch.sequences), [0, 1, 1, 2, 2]);
  assert.deepEqual(plain(batch.tokens), [5, 6, 7, 9, 10]);
  assert.deepEqual(plain(batch.positions), [4, 0, 1, 0, 1]);
  assert.equal(batch.blockTableWidth, 2);
  assert.deepEqual(plain(batch.blockTables), [7, 3, 0, -1, 2, -1]);
  assert.deepEqual(plain(batch.logitRows), [0, 4], 'of the sequences that yield a token, in their order');
});

test('guessed tokens follow the known ones, and each row from the last known on asks for logits', () => {
  const batch = buildStepBatch([
    { sequence: sequence([1, 2, 3], [0]), from: 2, count: 1, draft: [8, 9] },
    { sequence: sequence([4, 5, 6], [1]), from: 0, count: 2, draft: [] },
    { sequence: sequence([7], [2]), from: 0, count: 1, draft: [] },
  ]);
  assert.deepEqual(plain(batch.tokens), [3, 8, 9, 4, 5, 7]);
  assert.deepEqual(plain(batch.positions), [2, 3, 4, 0, 1, 0]);
  assert.deepEqual(plain(batch.sequences), [0, 0, 0, 1, 1, 2]);
  assert.deepEqual(plain(batch.logitRows), [0, 1, 2, 5]);
});
