// A step executor for a model whose every layer and expert is on this machine: the native session itself.
import type { ModelSession } from '../../native/model-session.ts';
import type { StepExecutor } from '../step/run-step.ts';

/** Runs steps on `session`. */
export function localExecutor(session: ModelSession): StepExecutor {
  return { vocab: session.description.vocab, step: (batch, logits) => session.step(batch, logits) };
}
