// What becomes of a step's logits: copied out, or sampled where they are (native/sampler). In: for each sequence what is wanted
// of its rows. Out: chosen tokens, log-probabilities, and what is wrong with a row. Flat arrays are what the addon takes.
import type { AddonSampling, AddonStepOutput } from './addon-types.ts';
import type { TokenConstraint } from './token-constraint.ts';

/** How a token is drawn; SamplingParams of infra/messages has these fields. */
export interface DrawParams {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly logitBias: readonly (readonly [id: number, bias: number])[];
  readonly seed: number | string;
  /** Alternatives to report with the token's log-probability; null reports none. */
  readonly logprobs: { readonly top: number } | null;
}

/** The next tokens of one sequence: of row `row`, and of one row more for each guess, as long as the guesses are right. */
export interface TokenDraw {
  readonly row: number;
  readonly guesses: readonly number[];
  readonly params: DrawParams;
  readonly choice: number;
  /** Index of the first token among the generated ones of its choice. */
  readonly position: number;
  /** Tokens before, [counts, 2]: id, how often it was generated. Empty where no penalty needs them. */
  readonly counts: Int32Array;
  /** What the tokens must match; null leaves them free. */
  readonly constraint: TokenConstraint | null;
}

/** How likely the model found a known token. */
export interface TokenScore {
  readonly row: number;
  readonly id: number;
  readonly top: number;
}

/** A row's token with its log-probability, and its most likely ones, ties by lower id. */
export interface RowLogprob {
  readonly id: number;
  readonly logprob: number;
  readonly top: readonly (readonly [id: number, logprob: number])[];
}

/**
 * `skipped`: behind a guess that was wrong. `not_finite`: the model computed `value` for token `id`. `nothing_to_choose`:
 * penalties, bias and constraint leave no token. `too_costly`: the constraint takes more work than a token may.
 */
export type RowResult =
  | { readonly outcome: 'chosen'; readonly id: number; readonly logprob: RowLogprob | null }
  | { readonly outcome: 'skipped' }
  | { readonly outcome: 'not_finite'; readonly id: number; readonly value: number }
  | { readonly outcome: 'nothing_to_choose' }
  | { readonly outcome: 'too_costly' };

/** Where a step's logits [logitRows, vocab] go: into an array, or nowhere once they are sampled. */
export type StepOutput = Float32Array | RowSampling;

/** What random numbers are for; those of different purposes at one position are independent. */
const TOKEN_PURPOSE = 0;

/** Outcome in sampler/sample-token.h. */
const OUTCOME = { chosen: 0, skipped: 1, nan: 2, infinity: 3, minusInfinity: 4, tooCostly: 6 } as const;

export class RowSampling {
  readonly raw: AddonSampling;
  /** By row: the alternatives asked for; -1 where no log-probability is. */
  readonly #tops: Int32Array;
  readonly #topWidth: number;

  /** For `rows` rows of logits, each in at most one draw or score. */
  constructor(rows: number, draws: readonly TokenDraw[], scores: readonly TokenScore[]) {
    this.#tops = topsOf(rows, draws, scores);
    this.#topWidth = Math.max(0, ...this.#tops);
    const constrained = draws.filter(({ constraint }) => constraint !== null);
    const biases = draws.flatMap(({ params }) => params.logitBias);
    this.raw = {
      draws: Int32Array.from(draws.flatMap((draw) => drawColumns(draw, constrained.indexOf(draw)))),
      numbers: Float64Array.from(draws.flatMap(numberColumns)),
      guesses: Int32Array.from(draws.flatMap(({ guesses }) => guesses)),
      counts: joined(draws.map(({ counts }) => counts)),
      biasIds: Int32Array.from(biases, ([id]) => id),
      biases: Float64Array.from(biases, ([, bias]) => bias),
      scores: Int32Array.from(scores.flatMap(({ row, id, top }) => [row, id, top])),
      constraints: constrained.flatMap(({ constraint }) => (constraint === null ? [] : [constraint.raw])),
      ids: new Int32Array(rows),
      outcomes: new Int32Array(rows).fill(OUTCOME.skipped),
      logprobs: new Float64Array(rows),
      topIds: new Int32Array(rows * this.#topWidth),
      topLogprobs: new Float64Array(rows * this.#topWidth),
    };
  }

  /** What came of a row, after the step. */
  result(row: number): RowResult {
    const id = this.raw.ids[row] ?? 0;
    switch (this.raw.outcomes[row]) {
      case OUTCOME.chosen:
        return { outcome: 'chosen', id, logprob: this.#logprob(row, id) };
      case OUTCOME.skipped:
        return { outcome: 'skipped' };
      case OUTCOME.nan:
        return { outcome: 'not_finite', id, value: Number.NaN };
      case OUTCOME.infinity:
        return { outcome: 'not_finite', id, value: Number.POSITIVE_INFINITY };
      case OUTCOME.minusInfinity:
        return { outcome: 'not_finite', id, value: Number.NEGATIVE_INFINITY };
      case OUTCOME.tooCostly:
        return { outcome: 'too_costly' };
      default:
        return { outcome: 'nothing_to_choose' };
    }
  }

  #logprob(row: number, id: number): RowLogprob | null {
    const count = this.#tops[row] ?? -1;
    if (count < 0) return null;
    const first = row * this.#topWidth;
    const ids = [...this.raw.topIds.subarray(first, first + count)].filter((other) => other >= 0);
    const top = ids.map((other, at) => [other, this.raw.topLogprobs[first + at] ?? 0] as const);
    return { id, logprob: this.raw.logprobs[row] ?? 0, top };
  }
}

export function rawOutput(output: StepOutput): AddonStepOutput {
  return output instanceof RowSampling ? output.raw : output;
}

function topsOf(rows: number, draws: readonly TokenDraw[], scores: readonly TokenScore[]): Int32Array {
  const tops = new Int32Array(rows).fill(-1);
  for (const { row, guesses, params } of draws) tops.fill(params.logprobs?.top ?? -1, row, row + 1 + guesses.length);
  for (const { row, top } of scores) tops[row] = top;
  return tops;
}

/** `constraint`: index of the draw's own, -1 for none. */
function drawColumns({ row, guesses, params, choice, position, counts }: TokenDraw, constraint: number): number[] {
  const [low, high] = seedWords(params.seed);
  const top = params.logprobs?.top ?? -1;
  const sizes = [guesses.length, counts.length / 2, params.logitBias.length];
  return [row, ...sizes, params.topK, top, choice, position, TOKEN_PURPOSE, low, high, constraint];
}

function numberColumns({ params }: TokenDraw): number[] {
  const { temperature, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty } = params;
  return [temperature, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty];
}

/** The lower and the upper 32 bits of a seed. */
function seedWords(seed: number | string): readonly [number, number] {
  if (typeof seed === 'number') return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  const bits = BigInt(seed);
  return [Number(BigInt.asUintN(32, bits)), Number(BigInt.asUintN(32, bits >> 32n))];
}

function joined(arrays: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
