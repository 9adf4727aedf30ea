// One rule's nondeterministic automaton over bytes, calls of other rules and control tokens, built from an expression.
import { ConstraintFault } from './constraint-fault.ts';
import type { Expression, GraphNode, TextEncoding } from './expression.ts';
import { addFreeText } from './free-text.ts';
import { jsonCharacterBytes, jsonEscapedBytes } from './json-characters.ts';
import type { NfaBuilder, NfaState, RuleNumbers } from './nfa-builder.ts';
import { addMembers } from './object-members.ts';
import type { TextAutomaton } from './text-automaton.ts';
import { type BytePath, utf8Ranges } from './utf8-ranges.ts';

const MOST_NFA_STATES = 250_000;
/** Longer repetitions are counted instead of written out. */
const WRITTEN_OUT = 8;

export class RuleNfa implements NfaBuilder {
  readonly states: NfaState[] = [];
  readonly numbers: RuleNumbers;
  readonly #budget: { nfaStates: number };

  constructor(numbers: RuleNumbers, budget: { nfaStates: number }) {
    this.numbers = numbers;
    this.#budget = budget;
  }

  addState(): number {
    this.#budget.nfaStates += 1;
    if (this.#budget.nfaStates > MOST_NFA_STATES) throw new ConstraintFault('it needs an automaton that is too large');
    return this.states.push({ epsilon: [], bytes: [], calls: [], tokens: [], counts: false }) - 1;
  }

  add(expression: Expression, next: number): number {
    switch (expression.kind) {
      case 'literal':
        return this.addLiteral(expression.text, next);
      case 'sequence':
        return expression.parts.reduceRight<number>((to, part) => this.add(part, to), next);
      case 'alternatives':
        return this.#addAlternatives(expression.choices, next);
      case 'repeat':
        return this.#addRepeat(expression, next);
      case 'text':
        return this.addText(expression.automaton, expression.encoding, next, false);
      case 'counted-text': {
        return this.addCall(this.numbers.counted(expression, expression.least, expression.most), next);
      }
      case 'rule':
        return this.addCall(this.numbers.rule(expression.rule), next);
      case 'control-token':
        return this.#addToken(this.numbers.controlToken(expression.token), next);
      case 'free':
        return addFreeText(this, expression.exits, next);
      case 'graph':
        return this.#addGraph(expression.nodes, next);
      case 'members':
        return addMembers(this, expression, next);
    }
  }

  connect(from: number, to: number): void {
    this.states[from]?.epsilon.push(to);
  }

  addBytes(from: number, first: number, last: number, to: number): void {
    this.states[from]?.bytes.push({ first, last, to });
  }

  addToken(from: number, token: number, to: number): void {
    this.states[from]?.tokens.push({ token, to });
  }

  addLiteral(text: string, next: number): number {
    let to = next;
    for (const byte of new TextEncoder().encode(text).reverse()) {
      const from = this.addState();
      this.addBytes(from, byte, byte, to);
      to = from;
    }
    return to;
  }

  addCall(rule: number, to: number): number {
    const state = this.addState();
    this.states[state]?.calls.push({ rule, to });
    return state;
  }

  addText(automaton: TextAutomaton, encoding: TextEncoding, next: number, counts: boolean): number {
    const places = automaton.map(() => this.addState());
    for (const [at, { accepts, edges }] of automaton.entries()) {
      const from = places[at] ?? 0;
      const state = this.states[from];
      if (state !== undefined) state.counts = counts;
      if (accepts) this.connect(from, next);
      for (const { first, last, to } of edges) this.#addCharacters(from, first, last, places[to] ?? 0, encoding);
    }
    return places[0] ?? this.addState();
  }

  #addCharacters(from: number, first: number, last: number, to: number, encoding: TextEncoding): void {
    if (encoding === 'plain') {
      for (const path of utf8Ranges(first, last)) this.#addPath(from, path, to);
      return;
    }
    for (const path of jsonCharacterBytes(first, last)) this.#addPath(from, path, to);
    if (encoding === 'json-escapes') for (const path of jsonEscapedBytes(first, last)) this.#addPath(from, path, to);
  }

  #addPath(from: number, path: BytePath, to: number): void {
    let at = from;
    for (const [index, step] of path.entries()) {
      const next = index === path.length - 1 ? to : this.addState();
      for (const [first, last] of step) this.addBytes(at, first, last, next);
      at = next;
    }
  }

  #addAlternatives(choices: readonly Expression[], next: number): number {
    const texts = choices.flatMap((choice) => (choice.kind === 'literal' ? [choice.text] : []));
    const start = this.addState();
    const words = new WordTrie(this, start);
    for (const text of texts) this.connect(words.add(text), next);
    for (const choice of choices) if (choice.kind !== 'literal') this.connect(start, this.add(choice, next));
    return start;
  }

  #addRepeat({ body, least, most }: Extract<Expression, { kind: 'repeat' }>, next: number): number {
    const counted = Math.max(least, most ?? 0) > WRITTEN_OUT;
    if (counted) return this.addCall(this.numbers.counted(body, least, most), next);
    let start = next;
    if (most === null) {
      start = this.addState();
      this.connect(start, next);
      this.connect(start, this.add(body, start));
    }
    for (let count = least; count < (most ?? 0); count += 1) {
      const optional = this.addState();
      this.connect(optional, next);
      this.connect(optional, this.add(body, start));
      start = optional;
    }
    for (let count = 0; count < least; count += 1) start = this.add(body, start);
    return start;
  }

  #addGraph(nodes: readonly GraphNode[], next: number): number {
    const places = nodes.map(() => this.addState());
    for (const [at, { accepts, edges }] of nodes.entries()) {
      const from = places[at] ?? 0;
      if (accepts) this.connect(from, next);
      for (const { expression, to } of edges) this.connect(from, this.add(expression, places[to] ?? 0));
    }
    return places[0] ?? this.addState();
  }

  #addToken(token: number, to: number): number {
    const state = this.addState();
    this.addToken(state, token, to);
    return state;
  }
}

/** Words that share their beginnings. */
export class WordTrie {
  readonly #nfa: RuleNfa;
  readonly #root: number;
  readonly #children = new Map<number, Map<number, number>>();

  constructor(nfa: RuleNfa, root: number) {
    this.#nfa = nfa;
    this.#root = root;
  }

  /** Returns the state behind the word. */
  add(word: string): number {
    let at = this.#root;
    for (const byte of new TextEncoder().encode(word)) at = this.#child(at, byte);
    return at;
  }

  #child(from: number, byte: number): number {
    const children = this.#children.get(from) ?? new Map<number, number>();
    this.#children.set(from, children);
    const known = children.get(byte);
    if (known !== undefined) return known;
    const to = this.#nfa.addState();
    this.#nfa.addBytes(from, byte, byte, to);
    children.set(byte, to);
    return to;
  }
}
