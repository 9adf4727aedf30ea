// Guesses what a constraint forces: bytes that must follow are certain, only how the model parts them into tokens is a guess. Where
// nothing is forced, another drafter guesses.
import type { Drafter } from './drafter.ts';

export interface ForcedTokens {
  /** Tokens that spell what must follow the answer so far, at most `most`. */
  forced(most: number): readonly number[];
}

const MOST = 16;
/** Weight of the newest comparison. */
const NEWEST = 1 / 16;

export class ForcedDrafter implements Drafter {
  readonly #constraint: ForcedTokens;
  readonly #other: Drafter;
  /** What is forced behind the first `#known` tokens. */
  #forced: readonly number[] = [];
  #known = 0;
  /** Share of right guesses of those forced, the newest counting most. */
  #rightShare = 0.9;

  constructor(constraint: ForcedTokens, other: Drafter) {
    this.#constraint = constraint;
    this.#other = other;
  }

  get most(): number {
    return this.#forced.length > 0 ? this.#forced.length : this.#other.most;
  }

  get chance(): number {
    return this.#forced.length > 0 ? this.#rightShare : this.#other.chance;
  }

  follow(tokens: readonly number[], promptTokens: number): void {
    this.#other.follow(tokens, promptTokens);
    if (tokens.length === this.#known) return;
    this.#compare(tokens);
    this.#known = tokens.length;
    this.#forced = this.#constraint.forced(MOST);
  }

  draft(tokens: readonly number[], count: number): readonly number[] {
    return this.#forced.length > 0 ? this.#forced.slice(0, count) : this.#other.draft(tokens, count);
  }

  /** Compares the guesses up to the first wrong one with the tokens that came. */
  #compare(tokens: readonly number[]): void {
    const came = tokens.slice(this.#known);
    for (const [at, guess] of this.#forced.slice(0, came.length).entries()) {
      const right = guess === came[at];
      this.#rightShare += ((right ? 1 : 0) - this.#rightShare) * NEWEST;
      if (!right) return;
    }
  }
}
