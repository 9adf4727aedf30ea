// A regular expression of ECMA-262, flags `u` and optionally `s`, as a syntax tree. What a finite automaton cannot decide is
// refused by name: backreferences, lookbehind, word boundaries. In: text of a client. Recursion is bounded.
import {
  ALL_CODE_POINTS,
  type CodePoints,
  codePointsOf,
  complement,
  NO_CODE_POINTS,
  subtractSet,
  unite,
} from './code-points.ts';
import { propertySet } from './unicode-properties.ts';

export type Pattern =
  | { readonly kind: 'set'; readonly set: CodePoints }
  | { readonly kind: 'sequence'; readonly parts: readonly Pattern[] }
  | { readonly kind: 'alternatives'; readonly choices: readonly Pattern[] }
  /** `most`: null has no limit. */
  | { readonly kind: 'repeat'; readonly body: Pattern; readonly least: number; readonly most: number | null }
  | { readonly kind: 'anchor'; readonly end: boolean }
  /** Only at the start of the text. */
  | { readonly kind: 'lookahead'; readonly body: Pattern; readonly negative: boolean };

/** Why a pattern is refused. */
export class PatternFault extends Error {}

const MOST_DEPTH = 100;
const MOST_CHARACTERS = 20_000;
const MOST_REPEATS = 10_000;

const DIGITS: CodePoints = [[0x30, 0x39]];
const WORD = unite([...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]);
const SPACES = unite([
  ...codePointsOf('\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'),
  [0x2000, 0x200a],
]);
const LINE_ENDS = codePointsOf('\n\r\u2028\u2029');
const CLASSES: Readonly<Record<string, CodePoints>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORD,
  W: complement(WORD),
  s: SPACES,
  S: complement(SPACES),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 };

/** @throws PatternFault */
export function parsePattern(source: string): Pattern {
  if (source.length > MOST_CHARACTERS) throw new PatternFault(`it is longer than ${MOST_CHARACTERS} characters`);
  const parser = new PatternParser(Array.from(source));
  return parser.whole();
}

class PatternParser {
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(text: readonly string[]) {
    this.#text = text;
  }

  whole(): Pattern {
    const pattern = this.#alternatives();
    if (this.#at < this.#text.length) throw new PatternFault("it has a ')' without '('");
    return pattern;
  }

  #alternatives(): Pattern {
    this.#depth += 1;
    if (this.#depth > MOST_DEPTH) throw new PatternFault(`groups are nested deeper than ${MOST_DEPTH}`);
    const choices = [this.#sequence()];
    while (this.#take('|')) choices.push(this.#sequence());
    this.#depth -= 1;
    return choices.length === 1 && choices[0] !== undefined ? choices[0] : { kind: 'alternatives', choices };
  }

  #sequence(): Pattern {
    const parts: Pattern[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#quantified(this.#atom()));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'sequence', parts };
  }

  #quantified(body: Pattern): Pattern {
    const bounds = this.#quantifier();
    if (bounds === null) return body;
    if (body.kind === 'anchor' || body.kind === 'lookahead')
      throw new PatternFault('an anchor or a lookahead cannot be repeated');
    // A lazy quantifier matches the same texts.
    this.#take('?');
    if (this.#quantifier() !== null) throw new PatternFault('it has a quantifier after a quantifier');
    return { kind: 'repeat', body, ...bounds };
  }

  #quantifier(): { readonly least: number; readonly most: number | null } | null {
    if (this.#take('*')) return { least: 0, most: null };
    if (this.#take('+')) return { least: 1, most: null };
    if (this.#take('?')) return { least: 0, most: 1 };
    if (!this.#take('{')) return null;
    const least = this.#number();
    const most = this.#take(',') ? (this.#peek() === '}' ? null : this.#number()) : least;
    if (!this.#take('}')) throw new PatternFault("it has a '{' that is no quantifier");
    if (most !== null && most < least) throw new PatternFault('the numbers of a quantifier are out of order');
    return { least, most };
  }

  #number(): number {
    const from = this.#at;
    while (/^\d$/.test(this.#peek() ?? '')) this.#at += 1;
    if (from === this.#at) throw new PatternFault("it has a '{' that is no quantifier");
    const number = Number(this.#text.slice(from, this.#at).join(''));
    if (number > MOST_REPEATS) throw new PatternFault(`it repeats something more than ${MOST_REPEATS} times`);
    return number;
  }

  #atom(): Pattern {
    const next = this.#next();
    switch (next) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', set: this.#class() };
      case '.':
        return { kind: 'set', set: subtractSet(ALL_CODE_POINTS, LINE_ENDS) };
      case '^':
        return { kind: 'anchor', end: false };
      case '$':
        return { kind: 'anchor', end: true };
      case '\\':
        return { kind: 'set', set: this.#escape(false) };
      case '*':
      case '+':
      case '?':
      case '{':
        throw new PatternFault(`it has '${next}' with nothing to repeat`);
      default:
        return { kind: 'set', set: codePointsOf(next) };
    }
  }

  #group(): Pattern {
    if (this.#take('?')) {
      const sign = this.#next();
      if (sign === '=' || sign === '!') return this.#lookahead(sign === '!');
      if (sign === '<') this.#groupName();
      else if (sign !== ':') throw new PatternFault(`it has the unknown group '(?${sign}'`);
    }
    const body = this.#alternatives();
    if (!this.#take(')')) throw new PatternFault("it has a '(' without ')'");
    return body;
  }

  #lookahead(negative: boolean): Pattern {
    const body = this.#alternatives();
    if (!this.#take(')')) throw new PatternFault("it has a '(' without ')'");
    return { kind: 'lookahead', body, negative };
  }

  #groupName(): void {
    if (this.#peek() === '=' || this.#peek() === '!') throw new PatternFault('lookbehind is not supported');
    while (this.#next() !== '>');
  }

  #class(): CodePoints {
    const inverted = this.#take('^');
    let ranges: CodePoints = NO_CODE_POINTS;
    while (!this.#take(']')) ranges = [...ranges, ...this.#classRange()];
    const set = unite(ranges);
    return inverted ? complement(set) : set;
  }

  #classRange(): CodePoints {
    const first = this.#classAtom();
    if (this.#peek() !== '-' || this.#text[this.#at + 1] === ']') return first;
    this.#at += 1;
    const last = this.#classAtom();
    const [from, to] = [onlyOne(first), onlyOne(last)];
    if (from === null || to === null || from > to) throw new PatternFault('it has a range that is out of order');
    return [[from, to]];
  }

  #classAtom(): CodePoints {
    const next = this.#next();
    return next === '\\' ? this.#escape(true) : codePointsOf(next);
  }

  #escape(inClass: boolean): CodePoints {
    const name = this.#next();
    const set = CLASSES[name];
    if (set !== undefined) return set;
    const control = CONTROLS[name];
    if (control !== undefined) return [[control, control]];
    if (name === 'b' && inClass) return [[8, 8]];
    if (name === 'b' || name === 'B') throw new PatternFault('word boundaries are not supported');
    if (/^[1-9]$/.test(name) || name === 'k') throw new PatternFault('backreferences are not supported');
    if (name === 'p' || name === 'P') return this.#property(name === 'P');
    if (name === 'x') return this.#hex(2);
    if (name === 'u') return this.#unicode();
    if (name === 'c') return this.#controlLetter();
    if (/^[a-zA-Z]$/.test(name)) throw new PatternFault(`it has the unknown escape '\\${name}'`);
    return codePointsOf(name);
  }

  #property(inverted: boolean): CodePoints {
    if (!this.#take('{')) throw new PatternFault("'\\p' has no property");
    const from = this.#at;
    while (this.#next() !== '}');
    const name = this.#text.slice(from, this.#at - 1).join('');
    const set = propertySet(name);
    if (set === null) throw new PatternFault(`it has the unknown property '${name.slice(0, 40)}'`);
    return inverted ? complement(set) : set;
  }

  #controlLetter(): CodePoints {
    const letter = this.#next();
    if (!/^[a-zA-Z]$/.test(letter)) throw new PatternFault("'\\c' has no letter");
    const code = letter.charCodeAt(0) % 32;
    return [[code, code]];
  }

  #hex(digits: number): CodePoints {
    const code = this.#hexDigits(digits);
    return unite([[code, code]]);
  }

  #hexDigits(digits: number): number {
    const text = this.#text.slice(this.#at, this.#at + digits).join('');
    if (!new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(text)) throw new PatternFault('it has a broken hex escape');
    this.#at += digits;
    return Number.parseInt(text, 16);
  }

  #unicode(): CodePoints {
    if (!this.#take('{')) return this.#surrogates(this.#hexDigits(4));
    const from = this.#at;
    while (this.#next() !== '}');
    const digits = this.#text.slice(from, this.#at - 1).join('');
    const code = /^[0-9a-fA-F]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : 0x110000;
    if (code > 0x10ffff) throw new PatternFault('it has a broken Unicode escape');
    return unite([[code, code]]);
  }

  #surrogates(high: number): CodePoints {
    const pair = this.#text.slice(this.#at, this.#at + 6).join('');
    const low = /^\\u(d[c-f][0-9a-f]{2})$/i.exec(pair)?.[1];
    if (high < 0xd800 || high > 0xdbff || low === undefined) return unite([[high, high]]);
    this.#at += 6;
    const code = 0x10000 + (high - 0xd800) * 0x400 + Number.parseInt(low, 16) - 0xdc00;
    return [[code, code]];
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #next(): string {
    const next = this.#text[this.#at];
    if (next === undefined) throw new PatternFault('it ends too early');
    this.#at += 1;
    return next;
  }

  #take(expected: string): boolean {
    if (this.#text[this.#at] !== expected) return false;
    this.#at += 1;
    return true;
  }
}

function onlyOne(set: CodePoints): number | null {
  const [range] = set;
  return set.length === 1 && range !== undefined && range[0] === range[1] ? range[0] : null;
}
