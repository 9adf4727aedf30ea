// Every format of calls: 200 answers as its family writes them, with reasoning and text before, are read alike in one piece, by single
// characters and in random pieces; what is cut off or damaged is read alike, too, and never fails. The constraint of a format accepts
// what the family writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { constrainAnswer } from '../../../gateway/answer-formats/constrain-answer.ts';
import { CALL_FORMATS } from '../../../gateway/answer-formats/formats.ts';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';
import { characters, type ReadAnswer, readingOf, readPieces } from './read-parts.ts';
import { WRITTEN, type WrittenCall } from './written-calls.ts';

const string = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('Oslo', '007', 'true', 'a "b" \\ c', 'x < y > z', '{"a": [1]}', 'two\nlines', ''),
);
/** Text without white space at its ends, which formats without quotes cannot keep, and without their marks. */
const text = string.map((value) => value.trim()).filter((value) => !value.includes('</'));
const city = fc.record(
  { city: text, days: fc.integer({ min: -9, max: 9 }) },
  { requiredKeys: ['city'], noNullPrototype: true },
);
const plot = fc.record(
  {
    points: fc.array(fc.tuple(fc.integer(), fc.boolean()), { maxLength: 3 }),
    style: fc.constantFrom('line', 'bar'),
  },
  { noNullPrototype: true },
);
const call: fc.Arbitrary<WrittenCall> = fc.oneof(
  city.map((given) => ({ name: 'get_weather', arguments: given })),
  plot.map((given) => ({ name: 'plot-it', arguments: given })),
  fc.constant({ name: 'now', arguments: {} }),
);

const PARAMETERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  get_weather: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city'],
    additionalProperties: false,
  },
  'plot-it': {
    type: 'object',
    properties: {
      points: {
        type: 'array',
        items: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'boolean' }], items: false, minItems: 2 },
      },
      style: { type: 'string', enum: ['line', 'bar'] },
    },
    required: ['points', 'style'],
    additionalProperties: false,
  },
  now: { type: 'object', properties: {}, additionalProperties: false },
};
const textParameters = { get_weather: ['city'], 'plot-it': ['style'] };

const answer = fc.record({
  reasoning: fc.constantFrom('', 'Hm.', 'First,\nthen <b>.'),
  text: fc.constantFrom('', 'Let me see.', 'a < b, "c"'),
  calls: fc.array(call, { minLength: 0, maxLength: 3 }),
});

const lowerCase = (word: string): string => word.toLowerCase();

const expectedOf = ({ reasoning, text: content, calls }: ReadAnswer): object => ({
  reasoning,
  text: content,
  calls: calls.map((each) => ({ name: each.name, arguments: JSON.parse(each.arguments) })),
});

/** Pieces cut at random places, by whole characters as workers send them. */
function randomPieces(written: string, random: () => number): string[] {
  const pieces: string[] = [''];
  for (const character of written) {
    if (random() < 0.2) pieces.push('');
    pieces[pieces.length - 1] += character;
  }
  return pieces;
}

for (const [format, write] of Object.entries(WRITTEN)) {
  const reading = readingOf(format, { reasoning: 'think', textParameters });
  const written = ({
    reasoning,
    text: content,
    calls,
  }: {
    reasoning: string;
    text: string;
    calls: readonly WrittenCall[];
  }) =>
    (reasoning === '' ? '' : `<think>\n${reasoning}\n</think>\n\n`) +
    content +
    (calls.length === 0 ? '' : `${content === '' ? '' : '\n'}${write(calls)}`);

  test(`${format}: reads what its family writes, however it is cut`, () => {
    const check = (given: { reasoning: string; text: string; calls: readonly WrittenCall[] }, seed: number) => {
      const whole = readPieces(reading, [written(given)]);
      assert.deepEqual(expectedOf(whole), { ...given, calls: given.calls.map((each) => ({ ...each })) });
      assert.deepEqual(readPieces(reading, characters(written(given))), whole);
      let state = seed;
      const random = () => {
        state = (state * 48_271) % 2_147_483_647;
        return state / 2_147_483_647;
      };
      assert.deepEqual(readPieces(reading, randomPieces(written(given), random)), whole);
    };
    fc.assert(fc.property(answer, fc.integer({ min: 1, max: 2 ** 30 }), check), { numRuns: 200, seed: 16 });
  });

  test(`${format}: reads what is cut off or damaged alike, however it is cut`, () => {
    const damage = fc.record({ given: answer, at: fc.nat(400), drop: fc.nat(6), cut: fc.nat(600) });
    fc.assert(
      fc.property(damage, ({ given, at, drop, cut }) => {
        const letters = Array.from(written(given));
        const place = letters.length === 0 ? 0 : at % letters.length;
        letters.splice(place, drop);
        const broken = letters.slice(0, cut).join('');
        assert.deepEqual(readPieces(reading, characters(broken)), readPieces(reading, [broken]));
      }),
      { numRuns: 200, seed: 16 },
    );
  });

  test(`${format}: its constraint accepts what its family writes, and nothing that does not fit`, () => {
    const tools = Object.entries(PARAMETERS).map(([name, parameters]) => {
      return { name, parameters, arguments: jsonSchema(parameters, '') };
    });
    const rules = { tools, choice: 'auto', parallel: true, reasoningOpen: false, content: null } as const;
    const traits = { calls: format, reasoning: 'think', specialMarks: [], takesTools: true };
    const expression = constrainAnswer(rules, traits);
    assert.ok(expression !== null && CALL_FORMATS.has(format));
    const constraint = compileConstraint(expression);
    const accepts = (answerText: string) => {
      const walker = new ConstraintWalker(constraint);
      return walker.pushText(answerText) && walker.mayEnd;
    };
    fc.assert(
      // Inside lists, the constraint takes JSON's words.
      fc.property(answer, (given) =>
        assert.ok(accepts(written(given).replace(/(?:Fals|Tru)e/g, lowerCase)), written(given)),
      ),
      { numRuns: 5, seed: 16 },
    );
    assert.ok(!accepts(write([{ name: 'unknown', arguments: {} }])));
    assert.ok(!accepts(write([{ name: 'plot-it', arguments: { points: [], style: 'pie' } }])));
    assert.ok(!accepts(write([{ name: 'get_weather', arguments: {} }])));
  });
}
