import assert from 'node:assert/strict';
import { test } from 'node:test';
import { philox4x32 } from '../../../workers/sampler/philox.ts';
import { NgramDrafter } from '../../../workers/speculation/ngram-drafter.ts';

function follow(tokens: readonly number[], promptTokens: number): NgramDrafter {
  const drafter = new NgramDrafter();
  for (let length = promptTokens; length <= tokens.length; length += 1) {
    drafter.follow(tokens.slice(0, length), promptTokens);
  }
  return drafter;
}

/** Text that does not repeat three tokens in a row but by chance. */
function noise(length: number): number[] {
  return Array.from({ length }, (_, index) => philox4x32([index, 0, 0, 0], [9, 9])[0] % 1000);
}

test('guesses what followed the same three tokens before', () => {
  const tokens = [1, 2, 3, 4, 5, 6, 9, 1, 2, 3];
  assert.deepEqual(follow(tokens, tokens.length).draft(tokens, 4), [4, 5, 6, 9]);
});

test('goes by the latest occurrence', () => {
  const tokens = [1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3];
  assert.deepEqual(follow(tokens, tokens.length).draft(tokens, 1), [5]);
});

test('guesses a loop on beyond what is there', () => {
  const tokens = [7, 8, 7, 8, 7];
  assert.deepEqual(follow(tokens, tokens.length).draft(tokens, 5), [8, 7, 8, 7, 8]);
});

test('has no guess where nothing repeats', () => {
  const tokens = [1, 2, 3, 4, 2, 3];
  const drafter = follow(tokens, tokens.length);
  assert.equal(drafter.chance, 0);
  assert.deepEqual(drafter.draft(tokens, 3), []);
});

test('trusts a copy more with every token, and nothing right after a wrong guess', () => {
  const passage = noise(60);
  const chances = [5, 10, 20, 40].map((copied) => {
    const tokens = [...passage, ...passage.slice(0, copied)];
    return follow(tokens, passage.length).chance;
  });
  assert.deepEqual(chances, chances.toSorted());
  assert.ok((chances[1] ?? 0) > 0.7 && (chances[3] ?? 0) > 0.9, `${chances}`);
  const departs = [...passage, ...passage.slice(0, 40), 5000];
  assert.equal(follow(departs, passage.length).chance, 0);
  const returns = [...departs, ...passage.slice(10, 13)];
  assert.ok(follow(returns, passage.length).chance <= 0.5);
});

test('a sequence whose repetitions mislead is trusted little', () => {
  const tokens = noise(30);
  // The same three tokens, and each time another one behind them.
  for (let times = 0; times < 40; times += 1) tokens.push(1, 2, 3, 2000 + times);
  tokens.push(1, 2, 3);
  const { chance } = follow(tokens, 30);
  assert.ok(chance > 0 && chance < 0.5, `${chance}`);
});

test('finds nearly all repetitions however long the text, also when it is all given at once', () => {
  const passage = noise(5000);
  let found = 0;
  for (let at = 0; at < 100; at += 1) {
    const tokens = [...passage, ...passage.slice(at * 40, at * 40 + 10)];
    const drafter = new NgramDrafter();
    drafter.follow(tokens, tokens.length);
    const draft = drafter.draft(tokens, 16);
    if (draft.length > 0) assert.deepEqual(draft, passage.slice(at * 40 + 10, at * 40 + 26));
    found += draft.length > 0 ? 1 : 0;
  }
  // The rest lost their place in the table to other tokens.
  assert.ok(found > 80, `${found} of 100`);
});
