// Logits of one sequence's rows -> its next tokens. Where tokens were guessed, each is sampled as if the step had computed
// nothing else, and the next one only when the guess for it was right: the tokens are those of single steps.
import type { SampledToken } from '../sampler/sample-token.ts';
import type { Sequence } from '../scheduler/sequence.ts';
import type { StepRows } from '../scheduler/step-rows.ts';

/** A token that the step produced. */
export interface GeneratedToken extends SampledToken {
  readonly sequence: Sequence;
}

export interface Sampling {
  /** Null once the sequence's request has ended, which another choice's failure may do in this very step. */
  readonly sample: (sequence: Sequence, logits: Float32Array) => SampledToken | null;
  /** Takes the logits of a position of the prompt, for log-probabilities; positions come in order, each once. */
  readonly promptLogits: (sequence: Sequence, position: number, logits: Float32Array) => void;
  readonly onFailure: (sequence: Sequence, reason: unknown) => void;
}

/**
 * `logits`: [1 + draft, vocab]. Adds the tokens to the sequence. A sequence whose logits cannot be sampled is reported to
 * `onFailure`, unless that was behind a guess: the next step comes to that row again if the answer gets so far.
 */
export function sampleRows({ sequence, draft }: StepRows, logits: Float32Array, sampling: Sampling): GeneratedToken[] {
  const vocab = logits.length / (1 + draft.length);
  const tokens: GeneratedToken[] = [];
  for (let row = 0; row <= draft.length; row += 1) {
    try {
      const token = sampling.sample(sequence, logits.subarray(row * vocab, (row + 1) * vocab));
      if (token === null) break;
      sequence.tokens.push(token.id);
      tokens.push({ sequence, ...token });
      if (token.id !== draft[row]) break;
      // The row of the guess is as good as that of a known token.
      sequence.computed += 1;
    } catch (reason) {
      if (row === 0) sampling.onFailure(sequence, reason);
      break;
    }
  }
  return tokens;
}

/** Hands on the logits of the prompt's positions, `logits`: [count, vocab]. A failure is reported to `onFailure`. */
export function scoreRows({ sequence, from }: StepRows, count: number, logits: Float32Array, sampling: Sampling): void {
  const vocab = logits.length / count;
  const first = Math.max(from, sequence.promptLogitsFrom);
  try {
    for (let at = 0; at < count; at += 1) {
      sampling.promptLogits(sequence, first + at, logits.subarray(at * vocab, (at + 1) * vocab));
    }
    sequence.promptLogitsFrom = first + count;
  } catch (reason) {
    sampling.onFailure(sequence, reason);
  }
}
