// Strings of a shape, as automata and as expressions of a constraint.
import { type Expression, literal, sequence } from '../expression.ts';
import {
  ANY_TEXT,
  acceptsText,
  intersect,
  lengthAutomaton,
  subtract,
  type TextAutomaton,
  wordsAutomaton,
} from '../text-automaton.ts';
import { atKeyword } from './schema-fault.ts';
import type { Shape, StringShape } from './shapes.ts';

/** Texts that match all patterns, of any length. @throws SchemaFault */
function patternText({ patterns }: StringShape): TextAutomaton {
  return patterns.reduce((texts, { automaton, path }) => atKeyword(path, () => intersect(texts, automaton)), ANY_TEXT);
}

/** Texts of the shape. @throws SchemaFault, or PatternFault for lengths that need too many states */
export function stringAutomaton(shape: StringShape): TextAutomaton {
  const texts = patternText(shape);
  const { least, most } = shape;
  return least === 0 && most === null ? texts : intersect(texts, lengthAutomaton(least, most));
}

/** The same for shapes of the same texts within a schema. */
export function stringKey({ least, most, patterns }: StringShape): string {
  return JSON.stringify(['string', least, most, [...new Set(patterns.map(({ source }) => source))].sort()]);
}

/** A JSON string of the shape. @throws SchemaFault */
export function stringExpression(shape: StringShape): Expression {
  const { least, most, patterns } = shape;
  if (most !== null && least > most) return { kind: 'alternatives', choices: [] };
  const encoding = patterns.length === 0 ? 'json-escapes' : 'json';
  if (least === 0 && most === null) return quoted({ kind: 'text', automaton: patternText(shape), encoding });
  const texts = patternText(shape);
  if (most === 0) return acceptsText(texts, '') ? literal('""') : { kind: 'alternatives', choices: [] };
  if (canCount(texts, least, most)) return quoted({ kind: 'counted-text', automaton: texts, encoding, least, most });
  const path = patterns[0]?.path ?? '';
  return quoted({ kind: 'text', automaton: atKeyword(path, () => stringAutomaton(shape)), encoding });
}

function quoted(text: Expression): Expression {
  return sequence(literal('"'), text, literal('"'));
}

/** Whether texts may end after any number of characters and never have to, so that counting their characters is enough. */
function canCount(texts: TextAutomaton, least: number, most: number | null): boolean {
  const returns = texts.some(({ edges }) => edges.some(({ to }) => to === 0));
  const endsAnywhere = texts.every(({ accepts }, at) => accepts || (at === 0 && least > 0 && !returns));
  const goesOn = texts.every(({ edges }) => edges.length > 0);
  return texts.length > 0 && (least === 0 || goesOn) && (most === null || endsAnywhere);
}

/** Keys that a union of shapes allows. */
export function namesAutomaton(shapes: readonly Shape[]): TextAutomaton {
  const words = shapes.flatMap((shape) =>
    shape.kind === 'literal' && typeof shape.value === 'string' ? [shape.value] : [],
  );
  const patterned = shapes.filter((shape) => shape.kind === 'string');
  if (patterned.length > 1 || (patterned.length > 0 && words.length > 0)) {
    return patterned.map(stringAutomaton).reduce((all, texts) => uniteAutomata(all, texts), wordsAutomaton(words));
  }
  return patterned[0] === undefined ? wordsAutomaton(words) : stringAutomaton(patterned[0]);
}

function uniteAutomata(a: TextAutomaton, b: TextAutomaton): TextAutomaton {
  return subtract(ANY_TEXT, intersect(subtract(ANY_TEXT, a), subtract(ANY_TEXT, b)));
}
