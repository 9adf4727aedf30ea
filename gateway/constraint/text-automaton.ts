// Deterministic automata over Unicode text: built from patterns, intersected and subtracted, always trimmed to states from which
// an end can be reached, so that nothing that follows them gets stuck. Sizes are bounded, and with them time: a pattern that
// would need more is refused, however it is written.
import { ALL_CODE_POINTS, type CodePoints } from './code-points.ts';
import { type Pattern, PatternFault } from './pattern-syntax.ts';

export interface TextState {
  readonly accepts: boolean;
  /** Disjoint, ascending. */
  readonly edges: readonly TextEdge[];
}

export interface TextEdge {
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/** State 0 is the start. An automaton that accepts nothing has no states. */
export type TextAutomaton = readonly TextState[];

const MOST_STATES = 3_000;
const MOST_WORK = 300_000;

/** Any text. */
export const ANY_TEXT: TextAutomaton = [
  { accepts: true, edges: ALL_CODE_POINTS.map(([first, last]) => ({ first, last, to: 0 })) },
];

/** Text that matches a whole pattern. `search`: text that contains a match, as keyword `pattern` means it. @throws PatternFault */
export function patternAutomaton(pattern: Pattern, search: boolean): TextAutomaton {
  const { lookaheads, rest } = splitLookaheads(pattern, search);
  const ahead = lookaheads.map(({ body, negative }) => ({ negative, automaton: followedByAny(body) }));
  return ahead.reduce(
    (whole, { negative, automaton }) => (negative ? subtract(whole, automaton) : intersect(whole, automaton)),
    plainAutomaton(rest, search),
  );
}

type Lookahead = Extract<Pattern, { kind: 'lookahead' }>;

/** The lookaheads that a pattern without alternatives begins with, behind `^` where it is searched for. */
function splitLookaheads(pattern: Pattern, search: boolean): { lookaheads: readonly Lookahead[]; rest: Pattern } {
  const parts = pattern.kind === 'sequence' ? pattern.parts : [pattern];
  const isAnchored = parts[0]?.kind === 'anchor' && !parts[0].end;
  const first = isAnchored ? 1 : 0;
  let count = 0;
  if (isAnchored || !search) while (parts[first + count]?.kind === 'lookahead') count += 1;
  const lookaheads = parts.slice(first, first + count).filter((part) => part.kind === 'lookahead');
  return {
    lookaheads,
    rest:
      count === 0 ? pattern : { kind: 'sequence', parts: [...parts.slice(0, first), ...parts.slice(first + count)] },
  };
}

/** Text of which a beginning matches. */
function followedByAny(body: Pattern): TextAutomaton {
  return plainAutomaton({ kind: 'sequence', parts: [{ kind: 'anchor', end: false }, body] }, true);
}

function plainAutomaton(pattern: Pattern, search: boolean): TextAutomaton {
  const nfa = new Nfa();
  const accept = nfa.addState();
  const start = search ? addSearch(nfa, pattern, accept) : nfa.add(pattern, accept, { start: true, end: true });
  return determine(nfa, start, accept);
}

/** What both accept. @throws PatternFault */
export function intersect(left: TextAutomaton, right: TextAutomaton): TextAutomaton {
  return combine(left, right, (a, b) => a && b);
}

/** What `from` accepts and `removed` does not. @throws PatternFault */
export function subtract(from: TextAutomaton, removed: TextAutomaton): TextAutomaton {
  return combine(from, removed, (a, b) => a && !b);
}

/** Texts of `least` to `most` characters. @throws PatternFault */
export function lengthAutomaton(least: number, most: number | null): TextAutomaton {
  const count = most ?? least;
  if (count >= MOST_STATES) throw new PatternFault(`texts of up to ${count} characters need too many states`);
  return Array.from({ length: count + 1 }, (_, at) => {
    const to = at < count ? at + 1 : most === null ? at : null;
    const edges = to === null ? [] : ALL_CODE_POINTS.map(([first, last]) => ({ first, last, to }));
    return { accepts: at >= least, edges };
  });
}

/** Exactly the given texts. */
export function wordsAutomaton(words: readonly string[]): TextAutomaton {
  const states: { accepts: boolean; edges: { first: number; last: number; to: number }[] }[] = [
    { accepts: false, edges: [] },
  ];
  for (const word of words) {
    let at = 0;
    for (const character of word) {
      const code = character.codePointAt(0) ?? 0;
      const state = states[at];
      let edge = state?.edges.find(({ first }) => first === code);
      if (edge === undefined) {
        edge = { first: code, last: code, to: states.push({ accepts: false, edges: [] }) - 1 };
        state?.edges.push(edge);
      }
      at = edge.to;
    }
    const end = states[at];
    if (end !== undefined) end.accepts = true;
  }
  for (const { edges } of states) edges.sort((left, right) => left.first - right.first);
  return words.length === 0 ? [] : states;
}

export function acceptsText(automaton: TextAutomaton, text: string): boolean {
  let state = automaton[0];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const edge = state?.edges.find(({ first, last }) => first <= code && code <= last);
    state = edge === undefined ? undefined : automaton[edge.to];
  }
  return state?.accepts ?? false;
}

/** True of an automaton that accepts every text. */
export function acceptsAll(automaton: TextAutomaton): boolean {
  return automaton.length > 0 && subtract(ANY_TEXT, automaton).length === 0;
}

/** Whether part of a pattern lies at the start or the end of the text, where an anchor holds. */
interface Edges {
  readonly start: boolean;
  readonly end: boolean;
}

interface NfaState {
  readonly epsilon: number[];
  readonly edges: { readonly set: CodePoints; readonly to: number }[];
}

class Nfa {
  readonly states: NfaState[] = [];

  addState(): number {
    if (this.states.length > MOST_WORK) throw tooLarge();
    return this.states.push({ epsilon: [], edges: [] }) - 1;
  }

  /** Adds what matches `pattern` and then goes to `next`; returns where it starts. */
  add(pattern: Pattern, next: number, at: Edges): number {
    switch (pattern.kind) {
      case 'set':
        return this.#addSet(pattern.set, next);
      case 'sequence':
        return pattern.parts.reduceRight<number>(
          (to, part, index) => this.add(part, to, edgesOf(pattern.parts, index, at)),
          next,
        );
      case 'alternatives': {
        const state = this.addState();
        for (const choice of pattern.choices) this.connect(state, this.add(choice, next, at));
        return state;
      }
      case 'repeat':
        return this.#addRepeat(pattern, next);
      case 'lookahead':
        throw new PatternFault('lookahead is supported only at the start');
      case 'anchor':
        if (pattern.end ? at.end : at.start) return next;
        throw new PatternFault(
          `'${pattern.end ? '$' : '^'}' is supported only at the ${pattern.end ? 'end' : 'start'}`,
        );
    }
  }

  connect(from: number, to: number): void {
    this.states[from]?.epsilon.push(to);
  }

  #addSet(set: CodePoints, to: number): number {
    const state = this.addState();
    this.states[state]?.edges.push({ set, to });
    return state;
  }

  #addRepeat({ body, least, most }: Extract<Pattern, { kind: 'repeat' }>, next: number): number {
    const inside = { start: false, end: false };
    let start = next;
    if (most === null) {
      start = this.addState();
      this.connect(start, next);
      this.connect(start, this.add(body, start, inside));
    }
    for (let count = least; count < (most ?? 0); count += 1) {
      const optional = this.addState();
      this.connect(optional, next);
      this.connect(optional, this.add(body, start, inside));
      start = optional;
    }
    for (let count = 0; count < least; count += 1) start = this.add(body, start, inside);
    return start;
  }
}

/** A part is at an edge if only anchors lie between. */
function edgesOf(parts: readonly Pattern[], index: number, { start, end }: Edges): Edges {
  const isAnchor = ({ kind }: Pattern) => kind === 'anchor';
  return {
    start: start && parts.slice(0, index).every(isAnchor),
    end: end && parts.slice(index + 1).every(isAnchor),
  };
}

/** Text around a match is free on each side that has no anchor, branch by branch. */
function addSearch(nfa: Nfa, pattern: Pattern, accept: number): number {
  const before = addFree(nfa);
  const after = addFree(nfa);
  nfa.connect(after, accept);
  const start = nfa.addState();
  for (const branch of branchesOf(pattern)) {
    const to = startsOrEnds(branch, true) ? accept : after;
    const begin = nfa.add(branch, to, { start: true, end: true });
    if (startsOrEnds(branch, false)) nfa.connect(start, begin);
    else {
      nfa.connect(start, before);
      nfa.connect(before, begin);
    }
  }
  return start;
}

function addFree(nfa: Nfa): number {
  const state = nfa.addState();
  nfa.states[state]?.edges.push({ set: ALL_CODE_POINTS, to: state });
  return state;
}

/** The alternatives of a pattern that may differ in their anchors. */
function branchesOf(pattern: Pattern): readonly Pattern[] {
  if (pattern.kind === 'alternatives') return pattern.choices.flatMap(branchesOf);
  if (pattern.kind !== 'sequence') return [pattern];
  const [only] = pattern.parts;
  return pattern.parts.length === 1 && only !== undefined ? branchesOf(only) : [pattern];
}

function startsOrEnds(pattern: Pattern, end: boolean): boolean {
  if (pattern.kind === 'anchor') return pattern.end === end;
  if (pattern.kind === 'alternatives') return pattern.choices.every((choice) => startsOrEnds(choice, end));
  if (pattern.kind !== 'sequence') return false;
  const parts = end ? pattern.parts.toReversed() : pattern.parts;
  for (const part of parts) {
    if (startsOrEnds(part, end)) return true;
    if (part.kind !== 'anchor') return false;
  }
  return false;
}

/** The subset construction, for single characters. */
function determine(nfa: Nfa, start: number, accept: number): TextAutomaton {
  const builder = new Determinizer<readonly number[]>((set) => set.join());
  const close = (seeds: Iterable<number>) => closure(nfa, seeds, builder);
  return builder.run(close([start]), (set) => {
    const edges = set.flatMap((id) => nfa.states[id]?.edges ?? []);
    const ranges = edges.flatMap(({ set: codes, to }) => codes.map(([first, last]) => ({ first, last, to })));
    return {
      accepts: set.includes(accept),
      edges: splitRanges(ranges).map(({ first, last, targets }) => ({ first, last, to: close(targets) })),
    };
  });
}

function closure(nfa: Nfa, seeds: Iterable<number>, work: { spend(amount: number): void }): readonly number[] {
  const seen = new Set(seeds);
  for (const id of seen) for (const next of nfa.states[id]?.epsilon ?? []) seen.add(next);
  work.spend(seen.size);
  return [...seen].sort((left, right) => left - right);
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/** Cuts overlapping ranges into disjoint ones with all their targets. */
export function splitRanges(
  ranges: readonly Range[],
): { readonly first: number; readonly last: number; readonly targets: readonly number[] }[] {
  const [only] = ranges;
  if (ranges.length <= 1) return only === undefined ? [] : [{ first: only.first, last: only.last, targets: [only.to] }];
  const cuts = [...new Set(ranges.flatMap(({ first, last }) => [first, last + 1]))].sort((a, b) => a - b);
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  const pieces: { first: number; last: number; targets: number[] }[] = [];
  let open: Range[] = [];
  let next = 0;
  for (const [at, first] of cuts.entries()) {
    const end = cuts[at + 1];
    if (end === undefined) break;
    open = open.filter(({ last }) => last >= first);
    for (let range = sorted[next]; range !== undefined && range.first <= first; range = sorted[next]) {
      open.push(range);
      next += 1;
    }
    if (open.length > 0) pieces.push({ first, last: end - 1, targets: [...new Set(open.map(({ to }) => to))] });
  }
  return pieces;
}

function combine(
  left: TextAutomaton,
  right: TextAutomaton,
  accepts: (left: boolean, right: boolean) => boolean,
): TextAutomaton {
  type Pair = readonly [left: number, right: number];
  const NONE = -1;
  const builder = new Determinizer<Pair>((pair) => pair.join());
  return builder.run([0, right.length === 0 ? NONE : 0], ([a, b]) => {
    const [one, other] = [left[a], right[b]];
    builder.spend((one?.edges.length ?? 0) + (other?.edges.length ?? 0));
    const ofLeft = (one?.edges ?? []).map(({ first, last, to }) => ({ first, last, to: 2 * to }));
    const ofRight = (other?.edges ?? []).map(({ first, last, to }) => ({ first, last, to: 2 * to + 1 }));
    const edges = splitRanges([...ofLeft, ...ofRight]).flatMap(({ first, last, targets }) => {
      const to = targets.find((target) => target % 2 === 0);
      const beside = targets.find((target) => target % 2 === 1);
      if (to === undefined) return [];
      const pair: Pair = [to / 2, beside === undefined ? NONE : (beside - 1) / 2];
      return [{ first, last, to: pair }];
    });
    return { accepts: accepts(one?.accepts ?? false, other?.accepts ?? false), edges };
  });
}

/** Numbers the states that an expansion reaches, within bounds. */
class Determinizer<Key> {
  readonly #keyOf: (key: Key) => string;
  readonly #ids = new Map<string, number>();
  readonly #keys: Key[] = [];
  #work = 0;

  constructor(keyOf: (key: Key) => string) {
    this.#keyOf = keyOf;
  }

  spend(amount: number): void {
    this.#work += amount;
    if (this.#work > MOST_WORK) throw tooLarge();
  }

  run(
    start: Key,
    expand: (key: Key) => {
      readonly accepts: boolean;
      readonly edges: readonly { readonly first: number; readonly last: number; readonly to: Key }[];
    },
  ): TextAutomaton {
    this.#number(start);
    const states: TextState[] = [];
    for (let at = 0; at < this.#keys.length; at += 1) {
      const { accepts, edges } = expand(this.#keys[at] as Key);
      this.spend(edges.length + 1);
      states.push({ accepts, edges: edges.map(({ first, last, to }) => ({ first, last, to: this.#number(to) })) });
    }
    return trim(states);
  }

  #number(key: Key): number {
    const name = this.#keyOf(key);
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    if (this.#keys.length >= MOST_STATES) throw tooLarge();
    this.#ids.set(name, this.#keys.length);
    return this.#keys.push(key) - 1;
  }
}

/** Removes states from which no end can be reached, and joins neighbouring edges. */
function trim(states: readonly TextState[]): TextAutomaton {
  const sources = states.map((): number[] => []);
  for (const [from, { edges }] of states.entries()) for (const { to } of edges) sources[to]?.push(from);
  const alive = new Set(states.flatMap(({ accepts }, at) => (accepts ? [at] : [])));
  for (const id of alive) for (const source of sources[id] ?? []) alive.add(source);
  if (!alive.has(0)) return [];
  const places = new Map([...alive].sort((a, b) => a - b).map((id, place) => [id, place]));
  return [...places.keys()].map((id) => {
    const { accepts, edges } = states[id] ?? { accepts: false, edges: [] };
    return { accepts, edges: joinEdges(edges, places) };
  });
}

function joinEdges(edges: readonly TextEdge[], places: ReadonlyMap<number, number>): readonly TextEdge[] {
  const joined: { first: number; last: number; to: number }[] = [];
  for (const { first, last, to: old } of edges) {
    const to = places.get(old);
    if (to === undefined) continue;
    const top = joined.at(-1);
    if (top !== undefined && top.to === to && top.last === first - 1) top.last = last;
    else joined.push({ first, last, to });
  }
  return joined;
}

function tooLarge(): PatternFault {
  return new PatternFault('it needs an automaton that is too large');
}
