// Guesses the next tokens of one sequence, to be verified by computing them together. A wrong guess costs time, never a token.

export interface Drafter {
  /** Most tokens guessed at once. */
  readonly most: number;
  /** Takes note of the tokens that were added. `tokens`: all of the sequence's, of which the first `promptTokens` are given. */
  follow(tokens: readonly number[], promptTokens: number): void;
  /** Estimated probability that the next guess is correct, 0..1; 0 without a guess. */
  readonly chance: number;
  /** Guesses for what follows `tokens`, at most `count` and possibly fewer. */
  draft(tokens: readonly number[], count: number): readonly number[];
}
