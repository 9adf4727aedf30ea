// Runs steps and counts what those without prompts read: the experts that their rows chose together, by the session's
// routing counts.
import { expertShape } from '../../../native/model-description.ts';
import type { ModelSession, StepBatch } from '../../../native/model-session.ts';
import type { StepOutput } from '../../../native/row-sampling.ts';
import { costShape } from '../../../workers/model/cost-shape.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import type { Engine } from '../../../workers/serve/open-engine.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';

export class CountingExecutor implements StepExecutor {
  readonly vocab: number;
  steps = 0;
  rows = 0;
  /** Experts read, summed over layers and steps. */
  experts = 0;
  readonly #session: ModelSession;
  readonly #model: StoredModel;

  constructor({ session, packs }: Pick<Engine, 'session' | 'packs'>) {
    this.#session = session;
    this.#model = packs.description;
    this.vocab = packs.description.vocab;
  }

  /** Weights that the steps read, each once a step. */
  get bytes(): number {
    const { fixed, perExpert } = costShape(this.#model);
    return fixed * this.steps + (perExpert * this.experts) / expertShape(this.#model).layers.length;
  }

  async step(batch: StepBatch, output: StepOutput): Promise<void> {
    const before = this.#session.routingCounts();
    await this.#session.step(batch, output);
    // Rows of a prompt ask for no logits.
    if (batch.logitRows.length < batch.tokens.length) return;
    const after = this.#session.routingCounts();
    this.steps += 1;
    this.rows += batch.tokens.length;
    this.experts += after.reduce((count, rows, at) => count + (rows > (before[at] ?? 0) ? 1 : 0), 0);
  }
}
