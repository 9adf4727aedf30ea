// Calls as JSON in `<tool_call>`, and reasoning in `<think>` before them: what is read, and that it does not depend on cuts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { characters, readingOf, readPieces } from './read-parts.ts';

const reading = readingOf('hermes', { reasoning: 'think' });
const call = (name: string, json: string) => ({ name, arguments: json });

const CASES: readonly (readonly [title: string, text: string, expected: object])[] = [
  ['text alone, with its white space', '  Hello \n', { text: '  Hello \n' }],
  [
    'one call',
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    { calls: [call('get_weather', '{"city": "Oslo"}')] },
  ],
  [
    'text, two calls and text',
    'Let me see.\n<tool_call>{"name":"a","arguments":{}}</tool_call>\n<tool_call>{"name":"b","arguments":{"x":[1,{"y":"}"}]}}</tool_call>\nDone.',
    { text: 'Let me see.Done.', calls: [call('a', '{}'), call('b', '{"x":[1,{"y":"}"}]}')] },
  ],
  [
    'arguments before the name',
    '<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>',
    { calls: [call('f', '{"a": 1}')] },
  ],
  [
    'arguments as a string',
    '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>',
    { calls: [call('f', '{"a": 1}')] },
  ],
  ['no arguments', '<tool_call>{"name": "f"}</tool_call>', { calls: [call('f', '{}')] }],
  ['null arguments', '<tool_call>{"name": "f", "arguments": null}</tool_call>', { calls: [call('f', '{}')] }],
  [
    'a mark that is closed in a string',
    '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>x',
    { text: 'x', calls: [call('f', '{"a": "</tool_call>"}')] },
  ],
  ['a name with escapes', '<tool_call>{"name": "\\u0066", "arguments": {}}</tool_call>', { calls: [call('f', '{}')] }],
  ['what is no object', '<tool_call>hello</tool_call>', { text: '<tool_call>hello</tool_call>' }],
  [
    'an object without a name',
    '<tool_call>{"arguments": {}}</tool_call>',
    { text: '<tool_call>{"arguments": {}}</tool_call>' },
  ],
  ['a mark that is never followed', 'a <tool_call', { text: 'a <tool_call' }],
  ['a call that was cut off', '<tool_call>{"name": "f", "arguments": {"a": "b', { calls: [call('f', '{"a": "b')] }],
  ['a name that was cut off', '<tool_call>{"name": "f', { text: '<tool_call>{"name": "f' }],
  [
    'brackets that do not match',
    '<tool_call>{"name": "f", "arguments": {"a": ]}</tool_call>',
    { text: ']}</tool_call>', calls: [call('f', '{"a": ')] },
  ],
  ['reasoning', '<think>\nHm.\n</think>\n\nHello', { reasoning: 'Hm.', text: 'Hello' }],
  [
    'reasoning and a call',
    '<think>Hm</think><tool_call>{"name":"f","arguments":{}}</tool_call>',
    { reasoning: 'Hm', calls: [call('f', '{}')] },
  ],
  [
    'a call that ends reasoning',
    '<think>Hm\n<tool_call>{"name":"f","arguments":{}}</tool_call>',
    { reasoning: 'Hm', calls: [call('f', '{}')] },
  ],
  ['reasoning that was cut off', '<think>Hm </thi', { reasoning: 'Hm </thi' }],
  ['a think mark inside text', 'a <think>b</think>', { text: 'a <think>b</think>' }],
];

for (const [title, text, expected] of CASES) {
  test(`reads ${title}`, () => {
    const answer = { reasoning: '', text: '', calls: [], ...expected };
    assert.deepEqual(readPieces(reading, [text]), answer);
    assert.deepEqual(readPieces(reading, characters(text)), answer);
  });
}

test('reasoning that the prompt has opened needs no opening mark', () => {
  const open = { ...reading, reasoningOpen: true };
  assert.deepEqual(readPieces(open, ['Hm', '</think>', '\n\nHi']), { reasoning: 'Hm', text: 'Hi', calls: [] });
  assert.deepEqual(readPieces(open, ['<think>Hm</think>Hi']), { reasoning: 'Hm', text: 'Hi', calls: [] });
});

test('the name of a call is known before its arguments, which come as they are written', () => {
  const pieces = ['<tool_call>{"name": "f"', ', "arguments": {"a": ', '"b'].map((piece) => piece);
  assert.deepEqual(readPieces(reading, pieces).calls, [call('f', '{"a": "b')]);
});
