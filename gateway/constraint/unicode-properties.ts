// Sets of characters that Unicode names, such as \p{L}, taken from V8's regular expressions.
import { ALL_CODE_POINTS, type CodePoints, unite } from './code-points.ts';

const propertySets = new Map<string, CodePoints>();
/** Letters cover `L`, `Lu`, `Script=Greek` and the like. */
const PROPERTY = /^[A-Za-z_]{1,40}(?:=[A-Za-z_]{1,40})?$/;
const MOST_PROPERTIES = 64;

/** The characters of a Unicode property, as this version of V8 has it; null for an unknown one. */
export function propertySet(name: string): CodePoints | null {
  const known = propertySets.get(name);
  if (known !== undefined) return known;
  const test = propertyRuns(name);
  if (test === null) return null;
  const runs = everyCharacter().matchAll(test);
  const ranges = [...runs].map(({ 0: run, index }) => [codeAt(index), codeAt(index + run.length - 1)] as const);
  const set = unite(ranges);
  if (propertySets.size < MOST_PROPERTIES) propertySets.set(name, set);
  return set;
}

function propertyRuns(name: string): RegExp | null {
  try {
    if (PROPERTY.test(name)) return new RegExp(`\\p{${name}}+`, 'gu');
  } catch {
    // An unknown name, as one of another form is.
  }
  return null;
}

const BASIC = 0x10000;
const SURROGATES = 0x800;
let characters = '';

/** All characters in order, without surrogates. */
function everyCharacter(): string {
  if (characters === '') {
    const codes = ALL_CODE_POINTS.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, at) => first + at),
    );
    const parts = Array.from({ length: Math.ceil(codes.length / 4096) }, (_, at) =>
      codes.slice(at * 4096, at * 4096 + 4096),
    );
    characters = parts.map((part) => String.fromCodePoint(...part)).join('');
  }
  return characters;
}

/** The character at a UTF-16 unit of `everyCharacter`. */
function codeAt(unit: number): number {
  const code = unit < 0xd800 ? unit : unit + SURROGATES;
  return code < BASIC ? code : BASIC + Math.floor((code - BASIC) / 2);
}
