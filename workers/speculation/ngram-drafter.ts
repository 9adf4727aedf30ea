// Guesses that a sequence goes on as it did the last time its latest tokens occurred, in the prompt or in the answer.
//
// Every token that comes is compared with the guess for it, whether the guess was computed or not: how good guesses are is
// known before any costs something, and text that does not repeat itself never pays for trying.
import type { Drafter } from './drafter.ts';

/** Tokens that must be the same before a guess. */
const ORDER = 3;
/** Weight of the newest of many comparisons. */
const NEWEST = 1 / 16;
const SMALLEST_TABLE = 256;

export class NgramDrafter implements Drafter {
  readonly most = 16;
  /** By hash of ORDER tokens: the position behind their latest occurrence, 0 where there was none. A quarter full at most. */
  #table = new Int32Array(SMALLEST_TABLE);
  /** Tokens in the table. */
  #known = 0;
  /** Position whose token is the guess for the next one; 0 without a guess. */
  #source = 0;
  /** Guesses in a row that were right. */
  #run = 0;
  #compared = 0;
  /** Share of right guesses, the newest counting most. */
  #rightShare = 0.5;

  /** A long run of right guesses is what a copy looks like; a new one has to show first that it is one. */
  get chance(): number {
    return this.#source === 0 ? 0 : Math.min(this.#rightShare, (this.#run + 1) / (this.#run + 2));
  }

  follow(tokens: readonly number[], promptTokens: number): void {
    if (tokens.length * 4 > this.#table.length) this.#grow(tokens);
    for (; this.#known < tokens.length; this.#known += 1) {
      if (this.#source !== 0 && this.#known >= promptTokens) this.#compare(tokens);
      const before = this.#remember(tokens);
      if (this.#source === 0 && this.#known >= promptTokens - 1) this.#source = before;
    }
  }

  draft(tokens: readonly number[], count: number): readonly number[] {
    const guesses: number[] = [];
    if (this.#source === 0) return guesses;
    // A loop shorter than the draft goes on with what was guessed before.
    for (let at = this.#source; guesses.length < count; at += 1) {
      guesses.push(tokens[at] ?? guesses[at - tokens.length] ?? 0);
    }
    return guesses;
  }

  #compare(tokens: readonly number[]): void {
    const right = tokens[this.#source] === tokens[this.#known];
    this.#compared += 1;
    this.#rightShare += ((right ? 1 : 0) - this.#rightShare) * Math.max(NEWEST, 1 / (this.#compared + 2));
    this.#run = right ? this.#run + 1 : 0;
    this.#source = right ? this.#source + 1 : 0;
  }

  /** Enters the ORDER tokens up to `#known`; returns the position behind their occurrence before, or 0. */
  #remember(tokens: readonly number[]): number {
    const end = this.#known + 1;
    if (end < ORDER) return 0;
    const place = hash(tokens, end) & (this.#table.length - 1);
    const before = this.#table[place] ?? 0;
    this.#table[place] = end;
    return before !== 0 && sameBefore(tokens, before, end) ? before : 0;
  }

  #grow(tokens: readonly number[]): void {
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(tokens.length * 8)));
    for (let end = ORDER; end <= this.#known; end += 1) {
      this.#table[hash(tokens, end) & (this.#table.length - 1)] = end;
    }
  }
}

function hash(tokens: readonly number[], end: number): number {
  let value = 0;
  for (let at = end - ORDER; at < end; at += 1) value = Math.imul(value ^ (tokens[at] ?? 0), 0x9e3779b1);
  return value ^ (value >>> 15);
}

function sameBefore(tokens: readonly number[], left: number, right: number): boolean {
  for (let back = 1; back <= ORDER; back += 1) if (tokens[left - back] !== tokens[right - back]) return false;
  return true;
}
