// One step of a group: schedule, execute, sample.
import type { StepBatch } from '../../native/model-session.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { countDraftRows, countPromptLogits } from '../scheduler/step-rows.ts';
import { buildStepBatch, yieldsToken } from './build-step-batch.ts';
import { type GeneratedToken, type Sampling, sampleRows, scoreRows } from './sample-rows.ts';

/** Runs a batch through the model: the native session, or a group of nodes. */
export interface StepExecutor {
  readonly vocab: number;
  /** Writes logits [logitRows, vocab] for the batch. */
  step(batch: StepBatch, logits: Float32Array): Promise<void>;
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
  const logits = new Float32Array(batch.logitRows.length * executor.vocab);
  const startedMs = performance.now();
  try {
    await executor.step(batch, logits);
  } catch (thrown) {
    if (thrown instanceof KvLost) scheduler.preemptAll();
    else if (!(thrown instanceof StepDeferred)) throw thrown;
    return { ...NOTHING, again: true };
  }
  scheduler.complete(step, performance.now() - startedMs);

  const tokens: GeneratedToken[] = [];
  const { vocab } = executor;
  let row = 0;
  for (const rows of step) {
    const scored = countPromptLogits(rows);
    if (scored > 0) scoreRows(rows, scored, logits.subarray(row * vocab, (row + scored) * vocab), parts);
    row += scored;
    if (!yieldsToken(rows)) continue;
    const end = row + 1 + rows.draft.length;
    tokens.push(...sampleRows(rows, logits.subarray(row * vocab, end * vocab), parts));
    row = end;
  }
  return { rows: batch.tokens.length, again: false, guessed: countDraftRows(step), tokens };
}
