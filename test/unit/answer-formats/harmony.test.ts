// Harmony: an answer is a list of messages; channels and recipients say what each of them is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constrainAnswer } from '../../../gateway/answer-formats/constrain-answer.ts';
import { detectFormats } from '../../../gateway/answer-formats/detect-formats.ts';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';
import { characters, readingOf, readPieces } from './read-parts.ts';

const reading = readingOf('harmony');
const ANALYSIS = '<|channel|>analysis<|message|>The user asks.<|end|>';
const CALL = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}';

const CASES: readonly (readonly [title: string, text: string, expected: object])[] = [
  ['content', '<|channel|>final<|message|>Hello', { text: 'Hello' }],
  [
    'reasoning and content',
    `${ANALYSIS}<|start|>assistant<|channel|>final<|message|>Hello`,
    { reasoning: 'The user asks.', text: 'Hello' },
  ],
  [
    'a call',
    `${ANALYSIS}<|start|>assistant${CALL}`,
    { reasoning: 'The user asks.', calls: [{ name: 'get_weather', arguments: '{"city": "Oslo"}' }] },
  ],
  [
    'a recipient before the channel',
    ' to=functions.get_weather<|channel|>commentary json<|message|>{}',
    { calls: [{ name: 'get_weather', arguments: '{}' }] },
  ],
  [
    'a preamble',
    `<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant${CALL}`,
    { text: 'I will look.', calls: [{ name: 'get_weather', arguments: '{"city": "Oslo"}' }] },
  ],
  ['text without a frame', 'Hello', { text: 'Hello' }],
  ['what is cut off', '<|channel|>analysis<|message|>Hm', { reasoning: 'Hm' }],
];

for (const [title, text, expected] of CASES) {
  test(`Harmony: reads ${title}`, () => {
    const answer = { reasoning: '', text: '', calls: [], ...expected };
    assert.deepEqual(readPieces(reading, [text]), answer);
    assert.deepEqual(readPieces(reading, characters(text)), answer);
  });
}

test('Harmony: a call that is required comes, behind reasoning, and fits', () => {
  const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const tools = [{ name: 'get_weather', parameters, arguments: jsonSchema(parameters, '') }];
  const rules = { tools, choice: 'required', parallel: true, reasoningOpen: false, content: null } as const;
  const names = ['<|channel|>', '<|message|>', '<|constrain|>', '<|end|>', '<|start|>'];
  const specialMarks = names.map((text, id) => ({ id, text }));
  const expression = constrainAnswer(rules, { calls: 'harmony', reasoning: null, specialMarks, takesTools: true });
  assert.ok(expression !== null);
  const constraint = compileConstraint(expression);
  const accepts = (text: string) => {
    const walker = new ConstraintWalker(constraint);
    const parts = text.split(/(<\|\w+\|>)/u).filter((part) => part !== '');
    return (
      parts.every((part) => (names.includes(part) ? walker.pushControlToken(part) : walker.pushText(part))) &&
      walker.mayEnd
    );
  };
  assert.ok(accepts(`${ANALYSIS}<|start|>assistant${CALL}`));
  assert.ok(!accepts(`${ANALYSIS}<|start|>assistant<|channel|>final<|message|>Hello`));
  assert.ok(!accepts(`${ANALYSIS}<|start|>assistant${CALL.replace('city', 'town')}`));
});

const SIGNS: readonly (readonly [template: string, calls: string | null, reasoning: string | null])[] = [
  ['<tool_call>\n{"name": \' + tool_call.name', 'hermes', null],
  ["<tool_call>{% if '</think>' in content %}", 'hermes', 'think'],
  ['<tool_call>\n<function=', 'qwen_xml', null],
  ['<tool_call>{{ name }}<arg_key>', 'glm', null],
  ["'<｜tool▁sep｜>' + name + '\n' + '```json'", 'deepseek_v3', null],
  ['<｜tool▁sep｜>', 'deepseek_v31', null],
  ['[TOOL_CALLS]{{ name }}[ARGS]', 'mistral', null],
  ['[TOOL_CALLS] [', 'mistral_list', null],
  ['<|start|>assistant<|channel|>', 'harmony', null],
  ['<|im_start|>', null, null],
];

for (const [template, calls, reasoning] of SIGNS) {
  test(`detects ${calls ?? 'no calls'} and ${reasoning ?? 'no reasoning'} in ${JSON.stringify(template)}`, () => {
    const traits = detectFormats([template], [{ id: 9, text: '[TOOL_CALLS]', special: true }]);
    assert.deepEqual([traits.calls, traits.reasoning], [calls, reasoning]);
    const isMark = calls?.startsWith('mistral') ?? false;
    assert.deepEqual(traits.specialMarks, isMark ? [{ id: 9, text: '[TOOL_CALLS]' }] : []);
  });
}
