// One step of a group: schedule, execute, sample. The product on one screen.
import type { StepBatch } from '../../native/model-session.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { countDraftRows, countPromptLogits } from '../scheduler/step-rows.ts';
import { buildStepBatch, yieldsToken } from './build-step-batch.ts';
import { type GeneratedToken, type Sampling, sampleRows, scoreRows } from './sample-rows.ts';

/** What runs a batch through the model: the native session, or a group of nodes. */
export interface StepExecutor {
  readonly vocab: number;
  /** Writes logits [logitRows, vocab] for the batch. */
  step(batch: StepBatch, logits: Float32Array): Promise<void>;
}

/** Thrown by an executor whose nodes lack keys and values of earlier positions: everything is computed again. */
export class KvLost extends Error {}

/** Thrown by an executor that has waited for its nodes for a while: what is to be computed may have changed meanwhile. */
export class StepDeferred extends Error {}

export interface StepResult {
  /** Rows computed; 0 when there was nothing to do, or when it could not be done yet. */
  readonly rows: number;
  /** The step did not run: another one is to be planned at once. */
  readonly again: boolean;
  /** Of those rows, the ones for tokens that were only guessed. */
  readonly guessed: number;
  /** In the order of the sequences, of each in the order of its tokens: one, and one more for each right guess. */
  readonly tokens: readonly GeneratedToken[];
}

const NOTHING: StepResult = { rows: 0, again: false, guessed: 0, tokens: [] };

/**
 * Runs what the scheduler plans next. Sampled tokens are already part of their sequences when it returns; a sequence whose
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
