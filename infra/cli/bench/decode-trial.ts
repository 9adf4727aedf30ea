// One way of decoding, timed: with a scheduler of its own, which learns from run to run what its steps cost.
import { KV_BLOCK_TOKENS } from '../../../native/model-session.ts';
import { costShape } from '../../../workers/model/cost-shape.ts';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';
import { blocksFor } from '../../../workers/scheduler/plan-step.ts';
import { Scheduler } from '../../../workers/scheduler/scheduler.ts';
import { generateLocally } from '../../../workers/serve/generate-locally.ts';
import { localExecutor } from '../../../workers/serve/local-executor.ts';
import { DEFAULT_ENGINE } from '../../../workers/serve/open-engine.ts';
import type { Drafter } from '../../../workers/speculation/drafter.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { type GenerationRequest, promptOf } from '../../messages/generation-request.ts';
import type { BenchEngine } from './bench-engine.ts';

/** What guesses the tokens of a request, whose prompt and answer are known; null guesses nothing. */
export type Way = ((text: readonly number[]) => Drafter) | null;

export class DecodeTrial {
  readonly #bench: BenchEngine;
  readonly #scheduler: Scheduler;
  #text: readonly number[] = [];

  constructor(bench: BenchEngine, way: Way) {
    this.#bench = bench;
    const pool = new KvBlockPool(blocksFor(bench.engine.kvTokens, KV_BLOCK_TOKENS), KV_BLOCK_TOKENS);
    const limits = { ...DEFAULT_ENGINE, blockTokens: KV_BLOCK_TOKENS };
    const createDrafter = way === null ? null : () => way(this.#text);
    this.#scheduler = new Scheduler(pool, limits, costShape(bench.engine.packs.description), createDrafter);
  }

  /**
   * Answers and returns prompt and answer, and tokens per second after the first. `text`: what has to come, when that is known;
   * throws DomainError `internal` when it does not.
   */
  async run(
    request: GenerationRequest,
    text: readonly number[] | null,
    executor: StepExecutor = localExecutor(this.#bench.engine.session),
  ): Promise<{ readonly text: readonly number[]; readonly rate: number }> {
    this.#text = text ?? [];
    // Other trials use the same blocks of the session's cache.
    this.#scheduler.preemptAll();
    const prompt = promptOf(request, 0);
    const ids = [...prompt];
    let [firstMs, lastMs] = [0, 0];
    const parts = { scheduler: this.#scheduler, executor, tokenizer: this.#bench.tokenizer };
    for await (const event of generateLocally(parts, request)) {
      lastMs = performance.now();
      if (ids.length === prompt.length) firstMs = lastMs;
      ids.push(...event.ids);
    }
    if (text?.some((id, at) => id !== ids[at])) throw new DomainError('internal', 'Guessing has changed the answer.');
    return { text: ids, rate: ((ids.length - prompt.length - 1) * 1000) / (lastMs - firstMs) };
  }
}
