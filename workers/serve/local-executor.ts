// A step executor for a model whose every layer and expert is on this machine: the native session itself.
import type { ModelSession, StepBatch } from '../../native/model-session.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import { deviceLost } from '../model/native-failures.ts';
import type { StepExecutor } from '../step/run-step.ts';

/** Runs steps on `session`. A step rejects with DomainError `native_error` when the session's GPU is lost. */
export function localExecutor(session: ModelSession): StepExecutor {
  const step = async (batch: StepBatch, output: StepOutput): Promise<void> => {
    try {
      await session.step(batch, output);
    } catch (thrown) {
      throw session.lost.aborted ? deviceLost(thrown) : thrown;
    }
  };
  return { vocab: session.description.vocab, step };
}
