// A grammar in GBNF, the notation of llama.cpp and vLLM -> an expression. Rules are `name ::= alternatives`; an alternative is a
// sequence of "text", [characters], `.`, names and groups, each with `*`, `+`, `?` or `{m,n}`; `#` begins a comment. The rule `root`
// is the answer. Recursion over a client's text is bounded.
import { ALL_CODE_POINTS, type CodePoints, complement, unite } from './code-points.ts';
import { ConstraintFault } from './constraint-fault.ts';
import { alternatives, type Expression, literal, type Rule, repeat, sequence } from './expression.ts';

const MOST_CHARACTERS = 100_000;
const MOST_DEPTH = 100;
const MOST_REPEATS = 10_000;
const NAME = /[a-zA-Z][a-zA-Z0-9_-]*/y;
const RULE_START = /([a-zA-Z][a-zA-Z0-9_-]*)[ \t]*::=/y;
const SPACE = /(?:[ \t\r\n]|#[^\n]*)+/y;
const NUMBER = /\d{1,6}/y;

/** @throws ConstraintFault saying what is wrong, and on which line */
export function gbnfGrammar(source: string): Expression {
  if (source.length > MOST_CHARACTERS) throw new ConstraintFault(`it is longer than ${MOST_CHARACTERS} characters`);
  return new GbnfParser(source).grammar();
}

class GbnfParser {
  readonly #source: string;
  readonly #rules = new Map<string, Rule>();
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  grammar(): Expression {
    this.#match(SPACE);
    while (this.#at < this.#source.length) this.#rule();
    const root = this.#rules.get('root');
    if (root === undefined) throw new ConstraintFault("it has no rule 'root'");
    for (const { name, expression } of this.#rules.values()) {
      if (expression === null) throw new ConstraintFault(`rule '${name.slice(0, 64)}' is not defined`);
    }
    return { kind: 'rule', rule: root };
  }

  #rule(): void {
    const [, name] = this.#match(RULE_START) ?? [];
    if (name === undefined) throw this.#fault("expected a rule: 'name ::= ...'");
    const rule = this.#named(name);
    if (rule.expression !== null) throw this.#fault(`rule '${name.slice(0, 64)}' is defined twice`);
    this.#match(SPACE);
    rule.expression = this.#alternatives();
  }

  #named(name: string): Rule {
    const rule = this.#rules.get(name) ?? { name, expression: null };
    this.#rules.set(name, rule);
    return rule;
  }

  #alternatives(): Expression {
    this.#depth += 1;
    if (this.#depth > MOST_DEPTH) throw this.#fault(`groups are nested deeper than ${MOST_DEPTH}`);
    const choices = [this.#sequence()];
    while (this.#take('|')) choices.push(this.#sequence());
    this.#depth -= 1;
    return choices.length === 1 && choices[0] !== undefined ? choices[0] : alternatives(...choices);
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at] ?? '') && !this.#startsRule()) {
      parts.push(this.#quantified(this.#atom()));
    }
    return sequence(...parts);
  }

  #startsRule(): boolean {
    const at = this.#at;
    const starts = this.#match(RULE_START) !== null;
    this.#at = at;
    return starts;
  }

  #quantified(body: Expression): Expression {
    if (this.#take('*')) return repeat(body, 0, null);
    if (this.#take('+')) return repeat(body, 1, null);
    if (this.#take('?')) return repeat(body, 0, 1);
    if (!this.#take('{')) return body;
    const least = this.#number();
    const most = this.#take(',') ? (this.#source[this.#at] === '}' ? null : this.#number()) : least;
    if (!this.#take('}')) throw this.#fault("expected '}'");
    if (most !== null && most < least) throw this.#fault('the numbers of a repetition are out of order');
    return repeat(body, least, most);
  }

  #number(): number {
    const [digits] = this.#match(NUMBER) ?? [];
    this.#match(SPACE);
    if (digits === undefined || Number(digits) > MOST_REPEATS)
      throw this.#fault(`expected a number of 0 to ${MOST_REPEATS}`);
    return Number(digits);
  }

  #atom(): Expression {
    if (this.#take('(')) {
      const group = this.#alternatives();
      if (!this.#take(')')) throw this.#fault("expected ')'");
      return group;
    }
    if (this.#source[this.#at] === '"') return this.#text();
    if (this.#source[this.#at] === '[') return this.#characters();
    if (this.#take('.')) return characters(ALL_CODE_POINTS);
    const [name] = this.#match(NAME) ?? [];
    if (name === undefined) throw this.#fault('expected "text", [characters], a name or a group');
    this.#match(SPACE);
    return { kind: 'rule', rule: this.#named(name) };
  }

  #text(): Expression {
    this.#at += 1;
    let text = '';
    while (this.#source[this.#at] !== '"') text += String.fromCodePoint(this.#character());
    this.#at += 1;
    this.#match(SPACE);
    if (!text.isWellFormed()) throw this.#fault('expected Unicode text');
    return literal(text);
  }

  #characters(): Expression {
    this.#at += 1;
    const inverted = this.#source[this.#at] === '^';
    if (inverted) this.#at += 1;
    const ranges: (readonly [number, number])[] = [];
    while (this.#source[this.#at] !== ']') {
      const first = this.#character();
      const isRange = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']';
      if (isRange) this.#at += 1;
      const last = isRange ? this.#character() : first;
      if (last < first) throw this.#fault('a range of characters is out of order');
      ranges.push([first, last]);
    }
    this.#at += 1;
    this.#match(SPACE);
    const set = unite(ranges);
    return characters(inverted ? complement(set) : set);
  }

  /** One character of a text or a class, escaped or not. */
  #character(): number {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined) throw this.#fault('it ends too early');
    this.#at += code > 0xffff ? 2 : 1;
    return code === 0x5c ? this.#escape() : code;
  }

  #escape(): number {
    const name = this.#source[this.#at] ?? '';
    this.#at += 1;
    const digits = { x: 2, u: 4, U: 8 }[name];
    if (digits !== undefined) return this.#hex(digits);
    const control = { n: 10, r: 13, t: 9, '0': 0 }[name];
    if (control !== undefined) return control;
    if (/^[\\"[\]^-]$/.test(name)) return name.charCodeAt(0);
    throw this.#fault(`it has the unknown escape '\\${name}'`);
  }

  #hex(digits: number): number {
    const text = this.#source.slice(this.#at, this.#at + digits);
    this.#at += digits;
    const code = new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(text) ? Number.parseInt(text, 16) : 0x110000;
    if (code > 0x10ffff) throw this.#fault('it has a broken hex escape');
    return code;
  }

  /** A sign, and the space behind it. */
  #take(sign: string): boolean {
    if (this.#source[this.#at] !== sign) return false;
    this.#at += 1;
    this.#match(SPACE);
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #fault(what: string): ConstraintFault {
    return new ConstraintFault(`line ${this.#source.slice(0, this.#at).split('\n').length}: ${what}`);
  }
}

function characters(set: CodePoints): Expression {
  const edges = set.map(([first, last]) => ({ first, last, to: 1 }));
  const automaton = [
    { accepts: false, edges },
    { accepts: true, edges: [] },
  ];
  return { kind: 'text', automaton, encoding: 'plain' };
}
