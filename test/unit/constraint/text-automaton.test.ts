import assert from 'node:assert/strict';
import test from 'node:test';
import { parsePattern } from '../../../gateway/constraint/pattern-syntax.ts';
import {
  acceptsAll,
  acceptsText,
  intersect,
  lengthAutomaton,
  patternAutomaton,
  subtract,
  wordsAutomaton,
} from '../../../gateway/constraint/text-automaton.ts';

const search = (source: string) => patternAutomaton(parsePattern(source), true);

test('searches for a pattern as JSON Schema does, branch by branch', () => {
  const either = search('^a|b$|c');
  for (const text of ['a', 'ax', 'xb', 'xcx']) assert.ok(acceptsText(either, text), text);
  for (const text of ['', 'xa', 'bx']) assert.ok(!acceptsText(either, text), text);
  assert.ok(acceptsAll(search('x*')) && !acceptsAll(search('^x+')));
});

test('intersects and subtracts', () => {
  const both = intersect(search('^[a-m]+$'), search('k'));
  assert.ok(acceptsText(both, 'akm') && !acceptsText(both, 'am') && !acceptsText(both, 'kz'));
  assert.equal(intersect(search('^a'), search('^b')).length, 0);
  const rest = subtract(search('^[ab]*$'), wordsAutomaton(['ab', 'b']));
  assert.ok(acceptsText(rest, 'a') && acceptsText(rest, 'abb') && !acceptsText(rest, 'ab') && !acceptsText(rest, 'b'));
});

test('limits the number of characters, not of UTF-16 units', () => {
  const short = intersect(search('😀'), lengthAutomaton(2, 3));
  assert.ok(acceptsText(short, '😀😀😀') && !acceptsText(short, '😀') && !acceptsText(short, '😀xxx'));
  const long = lengthAutomaton(3, null);
  assert.ok(acceptsText(long, 'abcdef') && !acceptsText(long, 'ab'));
});
