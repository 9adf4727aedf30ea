import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StopStringMatcher } from '../../../infra/tokenizer/stop-strings.ts';

interface Outcome {
  readonly shown: string;
  readonly stop: string | null;
}

function run(stops: readonly string[], pieces: readonly string[]): Outcome {
  const matcher = new StopStringMatcher(stops);
  let shown = '';
  for (const piece of pieces) {
    const result = matcher.push(piece);
    shown += result.text;
    if (result.stop !== null) return { shown, stop: result.stop };
  }
  return { shown: shown + matcher.finish(), stop: null };
}

/** What the matcher means: the stop string that is complete first, the longest of those complete at once. */
function naive(stops: readonly string[], text: string): Outcome {
  for (let end = 1; end <= text.length; end += 1) {
    const complete = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length);
    const stop = complete[0];
    if (stop !== undefined) return { shown: text.slice(0, end - stop.length), stop };
  }
  return { shown: text, stop: null };
}

const few = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 });
const stopList = fc.array(stop, { minLength: 1, maxLength: 4 });

test('finds what a search in the whole text finds, however the text is cut', () => {
  fc.assert(
    fc.property(stopList, fc.array(few, { maxLength: 8 }), (stops, pieces) => {
      assert.deepEqual(run(stops, pieces), naive(stops, pieces.join('')));
    }),
    { seed: 11, numRuns: 3000 },
  );
});

test('holds back only what can still become a stop string', () => {
  fc.assert(
    fc.property(stopList, few, (stops, text) => {
      const matcher = new StopStringMatcher(stops);
      const result = matcher.push(text);
      fc.pre(result.stop === null);
      const held = text.slice(result.text.length);
      assert.ok(held === '' || stops.some((candidate) => candidate.startsWith(held) && candidate !== held));
      const longer = text.slice(result.text.length - 1);
      assert.ok(result.text === '' || !stops.some((candidate) => candidate.startsWith(longer)));
    }),
    { seed: 12, numRuns: 2000 },
  );
});

test('pushing all text again in one piece gives the same state', () => {
  fc.assert(
    fc.property(stopList, fc.array(few, { maxLength: 5 }), few, (stops, pieces, next) => {
      fc.pre(run(stops, pieces).stop === null);
      const [stepwise, rebuilt] = [new StopStringMatcher(stops), new StopStringMatcher(stops)];
      for (const piece of pieces) stepwise.push(piece);
      rebuilt.push(pieces.join(''));
      assert.deepEqual(stepwise.push(next), rebuilt.push(next));
      assert.equal(stepwise.finish(), rebuilt.finish());
    }),
    { seed: 13, numRuns: 1000 },
  );
});

test('a stop string across three pieces is never shown', () => {
  const matcher = new StopStringMatcher(['\nUser:']);
  assert.deepEqual(matcher.push('Yes.\nUs'), { text: 'Yes.', stop: null });
  assert.deepEqual(matcher.push('e'), { text: '', stop: null });
  assert.deepEqual(matcher.push('r: hi'), { text: '', stop: '\nUser:' });
});

test('text held back for a stop string that does not come is shown', () => {
  const matcher = new StopStringMatcher(['</end>']);
  assert.deepEqual(matcher.push('a </en'), { text: 'a ', stop: null });
  assert.deepEqual(matcher.push('tity>'), { text: '</entity>', stop: null });
  assert.equal(matcher.finish(), '');
});

test('without stop strings everything is shown at once', () => {
  assert.deepEqual(new StopStringMatcher([]).push('abc'), { text: 'abc', stop: null });
});

test('an empty stop string is our own mistake', () => {
  assert.throws(() => new StopStringMatcher(['a', '']), new TypeError('A stop string must not be empty'));
});

test('a long stop string costs time in proportion to the text', () => {
  const matcher = new StopStringMatcher([`${'a'.repeat(20_000)}b`]);
  const started = performance.now();
  const shown = Array.from({ length: 200 }, () => matcher.push('a'.repeat(200)).text).join('');
  assert.equal(shown.length, 20_000);
  assert.ok(performance.now() - started < 5_000, 'not quadratic');
});
