// Guesses the next tokens of one sequence, to be verified by computing them together. A wrong guess costs time, never a token.

export interface Drafter {
  /** Most tokens guessed at once. */
  readonly most: number;
  /** Takes note of the tokens that were added. `tokens`: all of the sequence's, of which the first `promptTokens` are given. */
  follow(tokens: readonly number[], promptTokens: number): void;
  /** How likely the next guess is right, 0..1 by what was seen so far; 0 when there is none. */
  readonly chance: number;
  /** Guesses for what follows `tokens`, at most `count` and possibly fewer. */
  draft(tokens: readonly number[], count: number): readonly number[];
}
