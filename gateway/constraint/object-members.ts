// The members of a JSON object, in the order in which the schema declares them; other members come last. Keys share a trie from
// the back: the trie of the keys from i on is that of the keys behind with one path replaced.
import { ConstraintFault } from './constraint-fault.ts';
import { type Expression, literal, type Members, sequence } from './expression.ts';
import { AFTER_COLON, BETWEEN } from './json-space.ts';
import type { NfaBuilder } from './nfa-builder.ts';
import type { TextAutomaton } from './text-automaton.ts';

/** Beyond it, numbers of members are not counted. */
const MOST_COUNTED_PLACES = 4_000;
const MOST_KEY_CHARACTERS = 500;

/** Adds `{`, the members and `}`, then goes to `next`; returns where it starts. */
export function addMembers(nfa: NfaBuilder, members: Members, next: number): number {
  return new MembersBuilder(nfa, members, next).build();
}

/** A rule of its own: within the tries of declared keys, it would be multiplied by their places. */
function keyRule(keys: TextAutomaton): Expression {
  const key = sequence(literal('"'), { kind: 'text', automaton: keys, encoding: 'json' }, literal('"'));
  return { kind: 'rule', rule: { name: 'key', expression: key } };
}

class MembersBuilder {
  readonly #nfa: NfaBuilder;
  readonly #members: Members;
  /** Behind the last member. */
  readonly #close: number;
  readonly #mostCounted: number;
  /** -1 without one. */
  readonly #lastRequired: number;
  readonly #others: readonly { readonly key: Expression; readonly value: Expression }[];
  /** By place: declared keys that may start there, and the states of their tries. */
  readonly #keys = new Map<number, KeyNode>();
  readonly #states = new Map<KeyNode, number>();
  /** By place (see #place): where a member ended, and where one starts. */
  readonly #ended = new Map<number, number>();
  readonly #starting = new Map<number, number>();

  constructor(nfa: NfaBuilder, members: Members, next: number) {
    this.#nfa = nfa;
    this.#members = members;
    this.#close = nfa.add(BETWEEN, nfa.addLiteral('}', next));
    this.#lastRequired = members.declared.findLastIndex(({ required }) => required);
    this.#others = members.others.map(({ keys, value }) => ({ key: keyRule(keys), value }));
    this.#mostCounted = Math.max(members.least, members.most ?? 0);
    if (members.declared.some(({ key }) => key.length > MOST_KEY_CHARACTERS)) {
      throw new ConstraintFault(`a property's name is longer than ${MOST_KEY_CHARACTERS} characters`);
    }
    if ((members.declared.length + 1) * (this.#mostCounted + 1) > MOST_COUNTED_PLACES && this.#mostCounted > 0) {
      throw new ConstraintFault('its number of members cannot be counted');
    }
  }

  build(): number {
    const { least } = this.#members;
    const first = this.#nfa.addState();
    this.#buildFromTheBack();
    if (least === 0 && !this.#mustComeFrom(0)) this.#nfa.connect(first, this.#close);
    const start = this.#starting.get(this.#place(0, 0));
    if (start !== undefined) this.#nfa.connect(first, this.#nfa.add(BETWEEN, start));
    return this.#nfa.addLiteral('{', first);
  }

  /** Members before declared member `at`: `count`, as far as it matters. */
  #place(at: number, count: number): number {
    return at * (this.#mostCounted + 1) + Math.min(count, this.#mostCounted);
  }

  #buildFromTheBack(): void {
    const { declared } = this.#members;
    for (let count = this.#mostCounted; count >= 0; count -= 1) this.#addOthers(count);
    for (let at = declared.length - 1; at >= 0; at -= 1) {
      for (let count = Math.min(at, this.#mostCounted); count >= 0; count -= 1) this.#addDeclared(at, count);
    }
  }

  /** Where a member has ended: the object may be closed, or another member follows. */
  #endedAt(at: number, count: number): number {
    const place = this.#place(at, count);
    const known = this.#ended.get(place);
    if (known !== undefined) return known;
    const state = this.#nfa.addState();
    this.#ended.set(place, state);
    const { least } = this.#members;
    if (!this.#mustComeFrom(at) && count >= least) this.#nfa.connect(state, this.#close);
    return state;
  }

  /** Connects the end of a member to the start of the next, once that is known. */
  #connectEnd(at: number, count: number): void {
    const start = this.#starting.get(this.#place(at, count));
    if (start === undefined || this.#isFull(count)) return;
    this.#nfa.connect(this.#endedAt(at, count), this.#nfa.addLiteral(',', this.#nfa.add(BETWEEN, start)));
  }

  #isFull(count: number): boolean {
    const { most } = this.#members;
    return most !== null && count >= most;
  }

  #addOthers(count: number): void {
    const { declared } = this.#members;
    if (this.#others.length === 0 || this.#isFull(count)) return;
    const start = this.#nfa.addState();
    this.#starting.set(this.#place(declared.length, count), start);
    for (const { key, value } of this.#others) {
      const after = this.#addValue(value, declared.length, count + 1);
      this.#nfa.connect(start, this.#nfa.add(key, after));
    }
    this.#connectEnd(declared.length, count);
  }

  #addDeclared(at: number, count: number): void {
    const member = this.#members.declared[at];
    if (member === undefined || this.#isFull(count)) return;
    const { key, value, required } = member;
    const place = this.#place(at, count);
    const later = this.#place(at + 1, count);
    const trie = required ? NO_KEYS : (this.#keys.get(later) ?? NO_KEYS);
    const bytes = new TextEncoder().encode(JSON.stringify(key));
    const keys = withKey(trie, bytes, this.#addValue(value, at + 1, count + 1));
    this.#keys.set(place, keys);
    const start = this.#nfa.addState();
    this.#nfa.connect(start, this.#stateOf(keys));
    const others = this.#starting.get(this.#place(this.#members.declared.length, count));
    if (others !== undefined && !this.#mustComeFrom(at)) this.#nfa.connect(start, others);
    this.#starting.set(place, start);
    this.#connectEnd(at, count);
  }

  /** Whether a declared member from `at` on is required. */
  #mustComeFrom(at: number): boolean {
    return at <= this.#lastRequired;
  }

  /** The state at a node of a trie. Tries share nodes, which become one state. */
  #stateOf(node: KeyNode): number {
    const known = this.#states.get(node);
    if (known !== undefined) return known;
    const state = this.#nfa.addState();
    this.#states.set(node, state);
    for (const [byte, child] of node.children) this.#nfa.addBytes(state, byte, byte, this.#stateOf(child));
    if (node.end !== null) this.#nfa.connect(state, node.end);
    return state;
  }

  /** The colon and the value, behind which `count` members have ended. */
  #addValue(value: Expression, at: number, count: number): number {
    return this.#nfa.addLiteral(':', this.#nfa.add(AFTER_COLON, this.#nfa.add(value, this.#endedAt(at, count))));
  }
}

/** A place in a trie of keys. */
interface KeyNode {
  readonly children: ReadonlyMap<number, KeyNode>;
  /** The state behind the key that ends here. */
  readonly end: number | null;
}

const NO_KEYS: KeyNode = { children: new Map(), end: null };

/** The trie with one key more; nodes beside the key's are shared. */
function withKey(trie: KeyNode, key: Uint8Array, end: number): KeyNode {
  const path = [trie];
  for (const byte of key) path.push(path.at(-1)?.children.get(byte) ?? NO_KEYS);
  let node: KeyNode = { children: path.pop()?.children ?? NO_KEYS.children, end };
  for (const byte of key.toReversed()) {
    const { children, end: own } = path.pop() ?? NO_KEYS;
    node = { children: new Map([...children, [byte, node]]), end: own };
  }
  return node;
}
