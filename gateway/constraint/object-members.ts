// The members of a JSON object, in the order in which the schema declares them; other members come last. Keys share a trie from
// the back: the trie of the keys from i on is that of the keys behind with one path replaced.
import { ConstraintFault } from './constraint-fault.ts';
import { type Expression, literal, type Members } from './expression.ts';
import { AFTER_COLON, BETWEEN } from './json-space.ts';
import type { NfaBuilder } from './nfa-builder.ts';

/** Beyond it, numbers of members are not counted. */
const MOST_COUNTED_PLACES = 4_000;

/** Adds `{`, the members and `}`, then goes to `next`; returns where it starts. */
export function addMembers(nfa: NfaBuilder, members: Members, next: number): number {
  return new MembersBuilder(nfa, members, next).build();
}

class MembersBuilder {
  readonly #nfa: NfaBuilder;
  readonly #members: Members;
  /** Behind the last member. */
  readonly #close: number;
  readonly #mostCounted: number;
  /** By place (see #place): where a member ended, and where one starts. */
  readonly #ended = new Map<number, number>();
  readonly #starting = new Map<number, number>();

  constructor(nfa: NfaBuilder, members: Members, next: number) {
    this.#nfa = nfa;
    this.#members = members;
    this.#close = nfa.add(BETWEEN, nfa.addLiteral('}', next));
    this.#mostCounted = Math.max(members.least, members.most ?? 0);
    if ((members.declared.length + 1) * (this.#mostCounted + 1) > MOST_COUNTED_PLACES && this.#mostCounted > 0) {
      throw new ConstraintFault('its number of members cannot be counted');
    }
  }

  build(): number {
    const { declared, least } = this.#members;
    const first = this.#nfa.addState();
    this.#buildFromTheBack();
    if (least === 0 && !declared.some(({ required }) => required)) {
      this.#nfa.connect(first, this.#close);
    }
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
    const { declared, least } = this.#members;
    const open = declared.slice(at).some(({ required }) => required);
    if (!open && count >= least) this.#nfa.connect(state, this.#close);
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
    const { declared, others } = this.#members;
    if (others.length === 0 || this.#isFull(count)) return;
    const place = this.#place(declared.length, count);
    const start = this.#nfa.addState();
    this.#starting.set(place, start);
    for (const { keys, value } of others) {
      const quote = this.#nfa.addLiteral(
        '"',
        this.#nfa.addText(keys, 'json', this.#addValue('"', value, declared.length, count + 1), false),
      );
      this.#nfa.connect(start, quote);
    }
    this.#connectEnd(declared.length, count);
  }

  #addDeclared(at: number, count: number): void {
    const member = this.#members.declared[at];
    if (member === undefined || this.#isFull(count)) return;
    const start = this.#nfa.addState();
    const { key, value, required } = member;
    const after = this.#addValue('', value, at + 1, count + 1);
    this.#nfa.connect(start, this.#nfa.add(literal(JSON.stringify(key)), after));
    const later = this.#starting.get(this.#place(at + 1, count));
    if (!required && later !== undefined) this.#nfa.connect(start, later);
    this.#starting.set(this.#place(at, count), start);
    this.#connectEnd(at, count);
  }

  /** `before`, the colon and the value, behind which `count` members have ended. */
  #addValue(before: string, value: Expression, at: number, count: number): number {
    const colon = this.#nfa.add(AFTER_COLON, this.#nfa.add(value, this.#endedAt(at, count)));
    return this.#nfa.addLiteral(`${before}:`, colon);
  }
}
