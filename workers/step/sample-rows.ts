// What a step samples: for each sequence its next tokens and the log-probabilities of its prompt. In: the planned rows and what
// their requests ask for. Out: a RowSampling for the engine, and afterwards the tokens. Drafted tokens are verified by sampling
// their rows: the results equal those of one token per step.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { TokenLogprob } from '../../infra/messages/token-event.ts';
import { type RowResult, RowSampling, type TokenDraw, type TokenScore } from '../../native/row-sampling.ts';
import type { SequenceSampling } from '../sampler/sequence-sampling.ts';
import type { Sequence } from '../scheduler/sequence.ts';
import { countPromptLogits, type StepRows } from '../scheduler/step-rows.ts';
import { yieldsToken } from './build-step-batch.ts';

/** A token that the step produced; `logprob` if the request asks for it. */
export interface GeneratedToken {
  readonly sequence: Sequence;
  readonly id: number;
  readonly logprob: TokenLogprob | null;
  /** The answer's constraint lets nothing follow. */
  readonly last: boolean;
}

export interface Sampling {
  /** Null once the sequence's request has ended, which the failure of another choice may cause within the step. */
  readonly of: (sequence: Sequence) => SequenceSampling | null;
  readonly onFailure: (sequence: Sequence, reason: unknown) => void;
}

/** A sequence's rows among the step's rows of logits. */
interface PlacedRows {
  readonly rows: StepRows;
  /** The first row of logits: of the prompt's positions to score, followed by those of tokens to sample. */
  readonly first: number;
  readonly scored: number;
  /** 0 if the sequence yields no token, else 1 plus the number of drafted tokens. */
  readonly sampled: number;
}

function placeRows(step: readonly StepRows[]): readonly PlacedRows[] {
  let first = 0;
  return step.map((rows) => {
    const scored = countPromptLogits(rows);
    const sampled = yieldsToken(rows) ? 1 + rows.draft.length : 0;
    const placed = { rows, first, scored, sampled };
    first += scored + sampled;
    return placed;
  });
}

/** Describes the sampling of a step's logits, whose rows are those of buildStepBatch. */
export function buildSampling(step: readonly StepRows[], sampling: Sampling): RowSampling {
  const placed = placeRows(step);
  const rows = placed.reduce((sum, { scored, sampled }) => sum + scored + sampled, 0);
  const of = (each: PlacedRows) => sampling.of(each.rows.sequence);
  const draws = placed.flatMap((each) => drawOf(each, of(each)));
  const scores = placed.flatMap((each) => scoresOf(each, of(each)));
  return new RowSampling(rows, draws, scores);
}

function drawOf({ rows, first, scored, sampled }: PlacedRows, sampling: SequenceSampling | null): TokenDraw[] {
  if (sampled === 0 || sampling === null) return [];
  const { params, choice, counts, constraint } = sampling;
  const { tokens, promptTokens } = rows.sequence;
  const position = tokens.length - promptTokens;
  const guesses = rows.draft;
  return [{ row: first + scored, guesses, params, choice, position, counts: counts?.pairs ?? NO_COUNTS, constraint }];
}

const NO_COUNTS = new Int32Array(0);

function scoresOf({ rows, first, scored }: PlacedRows, sampling: SequenceSampling | null): TokenScore[] {
  if (sampling === null) return [];
  const { sequence } = rows;
  const from = firstScored(rows);
  const top = sampling.params.logprobs?.top ?? 0;
  // A position's logits score the token that follows it.
  return Array.from({ length: scored }, (_, at) => ({ row: first + at, id: sequence.tokens[from + at + 1] ?? 0, top }));
}

function firstScored({ sequence, from }: StepRows): number {
  return Math.max(from, sequence.promptLogitsFrom);
}

/**
 * Takes over what the engine has sampled: adds tokens to their sequences and log-probabilities to their prompts. A sequence
 * whose logits cannot be used is reported to `onFailure`, unless the row follows a draft: a later step reaches that row
 * again if the answer gets there.
 */
export function takeSampled(step: readonly StepRows[], sampled: RowSampling, sampling: Sampling): GeneratedToken[] {
  return placeRows(step).flatMap((placed) => {
    takeScores(placed, sampled, sampling);
    return takeTokens(placed, sampled, sampling);
  });
}

function takeScores({ rows, first, scored }: PlacedRows, sampled: RowSampling, sampling: Sampling): void {
  const { sequence } = rows;
  const target = sampling.of(sequence)?.promptLogprobs;
  if (scored === 0 || target === undefined) return;
  for (let at = 0; at < scored; at += 1) {
    const result = sampled.result(first + at);
    if (result.outcome !== 'chosen' || result.logprob === null) {
      sampling.onFailure(sequence, failureOf(result));
      return;
    }
    target.push(result.logprob);
  }
  sequence.promptLogitsFrom = firstScored(rows) + scored;
}

function takeTokens(placed: PlacedRows, sampled: RowSampling, sampling: Sampling): GeneratedToken[] {
  const { sequence, draft } = placed.rows;
  const own = sampling.of(sequence);
  const tokens: GeneratedToken[] = [];
  if (placed.sampled === 0 || own === null) return tokens;
  for (let at = 0; at < placed.sampled; at += 1) {
    const result = sampled.result(placed.first + placed.scored + at);
    if (result.outcome !== 'chosen') {
      if (at === 0) sampling.onFailure(sequence, failureOf(result));
      break;
    }
    const { id, logprob } = result;
    sequence.tokens.push(id);
    own.counts?.add(id);
    own.constraint?.push(id);
    tokens.push({ sequence, id, logprob, last: own.constraint?.isOver ?? false });
    if (id !== draft[at]) break;
    // The drafted token was right, so its row is computed.
    sequence.computed += 1;
  }
  return tokens;
}

function failureOf(result: RowResult): DomainError {
  if (result.outcome === 'not_finite') {
    const message = `Expected finite logits, but token ${result.id} has ${result.value}`;
    return new DomainError('generation_failed', message);
  }
  if (result.outcome === 'too_costly') {
    return new DomainError('generation_failed', 'The grammar is too ambiguous to follow. Make its rules more specific');
  }
  return new DomainError(
    'generation_failed',
    'Penalties, logit_bias and what the answer must match leave no token to choose',
  );
}
