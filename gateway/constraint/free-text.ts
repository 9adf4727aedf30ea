// Free text that watches for triggers: the automaton of Aho and Corasick over bytes. Where a trigger ends, only what belongs to it
// may follow.
import { ANY_CONTROL_TOKEN } from '../../infra/messages/constraint.ts';
import { ConstraintFault } from './constraint-fault.ts';
import type { FreeTextExit } from './expression.ts';
import type { NfaBuilder } from './nfa-builder.ts';

/** A place in the tries of the triggers. */
interface Place {
  readonly children: Map<number, Place>;
  /** Where the longest proper suffix of its text is, which the root is without. */
  fallback: Place | null;
  /** The exit whose trigger ends here. */
  exit: FreeTextExit | null;
  state: number;
}

/** Adds free text that may end anywhere and then goes to `next`; returns where it starts. */
export function addFreeText(nfa: NfaBuilder, exits: readonly FreeTextExit[], next: number): number {
  const root = placeOf(nfa);
  const places = buildTrie(nfa, root, exits);
  const leaving = new Map(exits.map((exit) => [exit, nfa.add(exit.continuation, root.state)]));
  for (const place of places) {
    if (place.exit !== null) {
      nfa.connect(place.state, leaving.get(place.exit) ?? root.state);
      continue;
    }
    nfa.connect(place.state, next);
    addTokens(nfa, place.state, root.state, leaving);
    addBytes(nfa, place);
  }
  return root.state;
}

function placeOf(nfa: NfaBuilder): Place {
  return { children: new Map(), fallback: null, exit: null, state: nfa.addState() };
}

function buildTrie(nfa: NfaBuilder, root: Place, exits: readonly FreeTextExit[]): readonly Place[] {
  for (const exit of exits) {
    if (typeof exit.trigger !== 'string') continue;
    if (exit.trigger === '') throw new ConstraintFault('a trigger is empty');
    let place = root;
    for (const byte of new TextEncoder().encode(exit.trigger)) place = childOf(nfa, place, byte);
    place.exit ??= exit;
  }
  const places = [root];
  for (const place of places) {
    for (const [byte, child] of place.children) {
      child.fallback = place === root ? root : follow(place.fallback ?? root, byte, root);
      child.exit ??= child.fallback.exit;
      places.push(child);
    }
  }
  return places;
}

function childOf(nfa: NfaBuilder, place: Place, byte: number): Place {
  const known = place.children.get(byte);
  if (known !== undefined) return known;
  const child = placeOf(nfa);
  place.children.set(byte, child);
  return child;
}

/** Where a byte leads from a place, by its fallbacks if it has no such child. */
function follow(from: Place, byte: number, root: Place): Place {
  for (let place: Place | null = from; place !== null; place = place.fallback) {
    const child = place.children.get(byte);
    if (child !== undefined) return child;
  }
  return root;
}

function addBytes(nfa: NfaBuilder, place: Place): void {
  let root = place;
  while (root.fallback !== null) root = root.fallback;
  const named = new Set<number>();
  for (let at: Place | null = place; at !== null; at = at.fallback)
    for (const byte of at.children.keys()) named.add(byte);
  let next = 0;
  for (const byte of [...named].sort((left, right) => left - right)) {
    if (byte > next) nfa.addBytes(place.state, next, byte - 1, root.state);
    nfa.addBytes(place.state, byte, byte, follow(place, byte, root).state);
    next = byte + 1;
  }
  if (next <= 0xff) nfa.addBytes(place.state, next, 0xff, root.state);
}

function addTokens(nfa: NfaBuilder, from: number, root: number, leaving: ReadonlyMap<FreeTextExit, number>): void {
  nfa.addToken(from, ANY_CONTROL_TOKEN, root);
  for (const [{ trigger }, to] of leaving) {
    if (typeof trigger !== 'string') nfa.addToken(from, nfa.numbers.controlToken(trigger.controlToken), to);
  }
}
