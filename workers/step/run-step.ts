// One step of a group: schedule, execute, sample.
import type { StepBatch } from '../../native/model-session.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { countDraftRows } from '../scheduler/step-rows.ts';
import { buildStepBatch } from './build-step-batch.ts';
import { buildSampling, type GeneratedToken, type Sampling, takeSampled } from './sample-rows.ts';

/** Runs a batch through the model: the native session, or a group of nodes. */
export interface StepExecutor {
  readonly vocab: number;
  /** Computes the batch; its logits [logitRows, vocab] are sampled or written, as `output` says. */
  step(batch: StepBatch, output: StepOutput): Promise<void>;
}

/** Thrown by an executor whose nodes lack KV entries of earlier positions: all sequences must be recomputed. */
export class KvLost extends Error {}

/** Thrown by an executor that has waited long for its nodes, so that the step is planned again with cancellations applied. */
export class StepDeferred extends Error {}

export interface StepResult {
  /** Number of rows computed; 0 if there was no work or the step did not run. */
  readonly rows: number;
  /** The step did not run: plan another one immediately. */
  readonly again: boolean;
  /** Number of those rows that verified drafted tokens. */
  readonly guessed: number;
  /** Ordered by sequence, then by position: one token per sequence, plus one per accepted draft token. */
  readonly tokens: readonly GeneratedToken[];
}

const NOTHING: StepResult = { rows: 0, again: false, guessed: 0, tokens: [] };

/**
 * Runs the scheduler's next step. Sampled tokens have been appended to their sequences when it returns. A sequence whose
 * logits cannot be sampled is reported to `onFailure` and yields no token.
 */
export async function runStep(
  parts: Sampling & { readonly scheduler: Scheduler; readonly executor: StepExecutor },
): Promise<StepResult> {
  const { scheduler, executor } = parts;
  const step = scheduler.nextStep();
  if (step.length === 0) return NOTHING;

  const batch = buildStepBatch(step);
  const sampled = buildSampling(step, parts);
  const startedMs = performance.now();
  try {
    await executor.step(batch, sampled);
  } catch (thrown) {
    if (thrown instanceof KvLost) scheduler.preemptAll();
    else if (!(thrown instanceof StepDeferred)) throw thrown;
    return { ...NOTHING, again: true };
  }
  scheduler.complete(step, performance.now() - startedMs);
  const tokens = takeSampled(step, sampled, parts);
  return { rows: batch.tokens.length, again: false, guessed: countDraftRows(step), tokens };
}
