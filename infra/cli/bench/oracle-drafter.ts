// Guesses that are always right: the answer is known from a run before. For measuring what verifying gains at most.
import type { Drafter } from '../../../workers/speculation/drafter.ts';

export class OracleDrafter implements Drafter {
  readonly most: number;
  readonly chance = 1;
  readonly #tokens: readonly number[];

  /** `tokens`: prompt and answer. `most`: tokens guessed in each step. */
  constructor(tokens: readonly number[], most: number) {
    this.#tokens = tokens;
    this.most = most;
  }

  follow(): void {}

  draft(tokens: readonly number[], count: number): readonly number[] {
    return this.#tokens.slice(tokens.length, tokens.length + count);
  }
}
