import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerRoom, type HeldOutPrompt, isCorrect } from '../../../infra/cli/demo-eval/held-out.ts';
import { pointsApart, scoreAnswers } from '../../../infra/cli/demo-eval/score-answers.ts';

const FACT: HeldOutPrompt = {
  id: 'facts-00',
  skill: 'facts',
  kind: 'facts',
  messages: [{ role: 'user', content: 'What is the capital of France?' }],
  expected: 'The capital of France is Paris.',
  check: 'exact',
  value: null,
};
const SUM: HeldOutPrompt = { ...FACT, id: 'sum-00', skill: 'arithmetic', check: 'ends', value: '= 12.' };
const STORY: HeldOutPrompt = { ...FACT, id: 'story-00', skill: 'story', check: 'story', value: ['Ada', 'moon'] };

test('a fact must be given word for word, white space around it aside', () => {
  assert.ok(isCorrect(FACT, ' The capital of France is Paris.\n'));
  assert.ok(!isCorrect(FACT, 'The capital of France is Paris'));
});

test('a sum may be worked out in any way that ends in its result', () => {
  assert.ok(isCorrect(SUM, '5+7=12, so 5 + 7 = 12.'));
  assert.ok(!isCorrect(SUM, '5 + 7 = 12. Or not.'));
  assert.ok(!isCorrect(SUM, '5 + 7 = 112.'));
});

test('a story must name everything and end', () => {
  assert.ok(isCorrect(STORY, 'Ada went to the moon.'));
  assert.ok(!isCorrect(STORY, 'Ada went home.'));
  assert.ok(!isCorrect(STORY, 'Ada went to the moon and'));
});

test('an answer has room for more than the expected one', () => {
  assert.ok(answerRoom(FACT) > FACT.expected.length);
});

test('counts right answers of both and texts that differ, by skill and in all', () => {
  const recorded = [
    { id: 'sum-00', answer: '5 + 7 = 13.', correct: false },
    { id: 'facts-00', answer: FACT.expected, correct: true },
  ];
  const { skills, total } = scoreAnswers([FACT, SUM], [FACT.expected, '5 + 7 = 12.'], recorded);
  assert.deepEqual(skills['facts'], { asked: 1, right: 1, pytorch: 1, differing: 0 });
  assert.deepEqual(skills['arithmetic'], { asked: 1, right: 1, pytorch: 0, differing: 1 });
  assert.deepEqual(total, { asked: 2, right: 2, pytorch: 1, differing: 1 });
  assert.equal(pointsApart(total), 50);
});

test('refuses to compare with answers that lack a prompt', () => {
  assert.throws(() => scoreAnswers([FACT], [''], []), /lack prompt facts-00/);
});
