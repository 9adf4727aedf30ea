// Runs steps and counts what those without prompts read: the experts that their rows chose together, by the session's
// routing counts.
import type { ModelSession, StepBatch } from '../../../native/model-session.ts';
import { costShape } from '../../../workers/model/cost-shape.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';

export class CountingExecutor implements StepExecutor {
  readonly vocab: number;
  steps = 0;
  rows = 0;
  /** Experts read, summed over layers and steps. */
  experts = 0;
  readonly #session: ModelSession;

  constructor(session: ModelSession) {
    this.#session = session;
    this.vocab = session.description.vocab;
  }

  /** Weights that the steps read, each once a step. */
  get bytes(): number {
    const { fixed, perExpert } = costShape(this.#session.description);
    return fixed * this.steps + (perExpert * this.experts) / this.#session.description.layers;
  }

  async step(batch: StepBatch, logits: Float32Array): Promise<void> {
    const before = this.#session.routingCounts();
    await this.#session.step(batch, logits);
    // Rows of a prompt ask for no logits.
    if (batch.logitRows.length < batch.tokens.length) return;
    const after = this.#session.routingCounts();
    this.steps += 1;
    this.rows += batch.tokens.length;
    this.experts += after.reduce((count, rows, at) => count + (rows > (before[at] ?? 0) ? 1 : 0), 0);
  }
}
