// Logits that a test has in JavaScript, sampled as an engine samples its own.
import type { SamplingParams } from '../infra/messages/generation-request.ts';
import { loadAddon } from '../native/load-addon.ts';
import type { StepBatch } from '../native/model-session.ts';
import { type RowResult, RowSampling, type StepOutput } from '../native/row-sampling.ts';
import { TokenCounts } from '../workers/sampler/token-counts.ts';
import type { StepExecutor } from '../workers/step/run-step.ts';

/** The tokens before the one that is sampled, and whose choice they are. */
export interface Before {
  readonly prompt: readonly number[];
  readonly generated: readonly number[];
  readonly choice: number;
}

export const NOTHING_BEFORE: Before = { prompt: [], generated: [], choice: 0 };

/** The next token, from `logits` [vocab]. */
export function sampleLogits(logits: Float32Array, params: SamplingParams, before = NOTHING_BEFORE): RowResult {
  const { prompt, generated, choice } = before;
  const counts = new TokenCounts(prompt, generated).pairs;
  const draw = { row: 0, guesses: [], params, choice, position: generated.length, counts, constraint: null };
  return sampled(logits, logits.length, new RowSampling(1, [draw], [])).result(0);
}

/** How likely `id` is by `logits` [vocab], with the `top` most likely tokens. */
export function scoreLogits(logits: Float32Array, id: number, top: number): RowResult {
  return sampled(logits, logits.length, new RowSampling(1, [], [{ row: 0, id, top }])).result(0);
}

function sampled(logits: Float32Array, vocab: number, sampling: RowSampling): RowSampling {
  loadAddon().sampleRows(logits, vocab, 1, sampling.raw);
  return sampling;
}

/** An engine of a few lines: `compute` writes logits [logitRows, vocab]. */
export function logitsEngine(
  vocab: number,
  compute: (batch: StepBatch, logits: Float32Array) => void | Promise<void>,
): StepExecutor {
  const step = async (batch: StepBatch, output: StepOutput): Promise<void> => {
    const logits = output instanceof RowSampling ? new Float32Array(batch.logitRows.length * vocab) : output;
    await compute(batch, logits);
    if (output instanceof RowSampling) sampled(logits, vocab, output);
  };
  return { vocab, step };
}
