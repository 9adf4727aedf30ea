// One step of a group: schedule, execute, sample. The product on one screen.
import type { StepBatch } from '../../native/model-session.ts';
import type { SampledToken } from '../sampler/sample-token.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Sequence } from '../scheduler/sequence.ts';
import { buildStepBatch, yieldsToken } from './build-step-batch.ts';

/** What runs a batch through the model: the native session, or a group of nodes. */
export interface StepExecutor {
  readonly vocab: number;
  /** Writes logits [logitRows, vocab] for the batch. */
  step(batch: StepBatch, logits: Float32Array): Promise<void>;
}

/** Thrown by an executor whose nodes lack keys and values of earlier positions: everything is computed again. */
export class KvLost extends Error {}

/** A token that the step produced. */
export interface GeneratedToken extends SampledToken {
  readonly sequence: Sequence;
}

export interface StepResult {
  /** Rows computed; 0 when there was nothing to do. */
  readonly rows: number;
  readonly tokens: readonly GeneratedToken[];
}

/**
 * Runs what the scheduler plans next. Sampled tokens are already part of their sequences when it returns; a sequence whose
 * logits cannot be sampled is reported to `onFailure` and yields no token.
 */
export async function runStep(parts: {
  readonly scheduler: Scheduler;
  readonly executor: StepExecutor;
  /** Null once the sequence's request has ended, which another choice's failure may do in this very step. */
  readonly sample: (sequence: Sequence, logits: Float32Array) => SampledToken | null;
  readonly onFailure: (sequence: Sequence, reason: unknown) => void;
}): Promise<StepResult> {
  const { scheduler, executor } = parts;
  const step = scheduler.nextStep();
  if (step.length === 0) return { rows: 0, tokens: [] };

  const batch = buildStepBatch(step);
  const logits = new Float32Array(batch.logitRows.length * executor.vocab);
  const startedMs = performance.now();
  try {
    await executor.step(batch, logits);
  } catch (thrown) {
    if (!(thrown instanceof KvLost)) throw thrown;
    scheduler.preemptAll();
    return { rows: batch.tokens.length, tokens: [] };
  }
  scheduler.complete(step, performance.now() - startedMs);

  const tokens: GeneratedToken[] = [];
  for (const [index, { sequence }] of step.filter(yieldsToken).entries()) {
    const row = logits.subarray(index * executor.vocab, (index + 1) * executor.vocab);
    try {
      const token = parts.sample(sequence, row);
      if (token === null) continue;
      sequence.tokens.push(token.id);
      tokens.push({ sequence, ...token });
    } catch (reason) {
      parts.onFailure(sequence, reason);
    }
  }
  return { rows: batch.tokens.length, tokens };
}
