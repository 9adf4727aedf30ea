// How the tokens of one sequence are sampled, and the state that sampling keeps for it; all of it follows from the request and
// the tokens so far.
import type { SamplingParams } from '../../infra/messages/generation-request.ts';
import type { TokenLogprob } from '../../infra/messages/token-event.ts';
import type { TokenConstraint } from '../../native/token-constraint.ts';
import type { TokenCounts } from './token-counts.ts';

export interface SequenceSampling {
  readonly params: SamplingParams;
  /** The choice's number in the keys of its random numbers. */
  readonly choice: number;
  /** Tokens so far; null if no penalty needs them. */
  readonly counts: TokenCounts | null;
  /** What the answer must match, as far as it has come; null if it is free. */
  readonly constraint: TokenConstraint | null;
  /** Log-probabilities of the prompt's next tokens, not published yet. */
  readonly promptLogprobs: TokenLogprob[];
}
