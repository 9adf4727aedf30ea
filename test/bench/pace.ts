// How much a long prompt slows answers that run beside it, and how long its first token takes, on the engine without Redis.
// Usage: node dist/test/bench/pace.js MODEL HOME [THREADS]. Each line is JSON:
//   answers          running answers
//   target, pause    worker.interTokenTarget and worker.longestPause
//   alone_ms         median time between tokens before the prompt comes
//   mean, p95, max   time between tokens while three prompts of 512 tokens are taken in, one after the other / alone_ms
//   first_token_ms   of the prompt; first_token_ratio: over that of a prompt that has the engine to itself

import { randomPrompt } from '../../infra/cli/bench/bench-requests.ts';
import { median, percentile } from '../../infra/cli/bench/statistics.ts';
import { GREEDY } from '../../infra/messages/generation-request.ts';
import { KV_BLOCK_TOKENS } from '../../native/model-session.ts';
import { costShape } from '../../workers/model/cost-shape.ts';
import type { SequenceSampling } from '../../workers/sampler/sequence-sampling.ts';
import { KvBlockPool } from '../../workers/scheduler/kv-block-pool.ts';
import { Scheduler } from '../../workers/scheduler/scheduler.ts';
import { createSequence, type Sequence } from '../../workers/scheduler/sequence.ts';
import { localExecutor } from '../../workers/serve/local-executor.ts';
import { DEFAULT_ENGINE, type Engine, openEngine } from '../../workers/serve/open-engine.ts';
import { runStep } from '../../workers/step/run-step.ts';

const PROMPT_TOKENS = 512;
const STEPS_ALONE = 24;
const KV_BLOCKS = 64;

interface Pace {
  readonly target: number;
  readonly pause: number;
}

/** Of every answer: random tokens route like text that is not repetitive. */
const DRAWN: SequenceSampling = {
  params: { ...GREEDY, temperature: 1 },
  choice: 0,
  counts: null,
  constraint: null,
  promptLogprobs: [],
};

const PACES: readonly Pace[] = [
  { target: 2, pause: 8 },
  { target: 2, pause: 2 },
  { target: 1e6, pause: 1e6 },
];

class Trial {
  readonly #engine: Engine;
  readonly #scheduler: Scheduler;
  #sequences = 0;

  constructor(engine: Engine, { target, pause }: Pace) {
    this.#engine = engine;
    const limits = {
      ...DEFAULT_ENGINE,
      blockTokens: KV_BLOCK_TOKENS,
      interTokenTarget: target,
      longestPause: pause,
    };
    const pool = new KvBlockPool(KV_BLOCKS, KV_BLOCK_TOKENS);
    this.#scheduler = new Scheduler(pool, limits, costShape(engine.packs.description));
  }

  add(promptTokens: number): Sequence {
    this.#sequences += 1;
    const tokens = randomPrompt(this.#engine.packs.description.vocab, promptTokens, this.#sequences);
    const id = `${this.#sequences}`;
    const sequence = createSequence({ id, tenant: 'bench', promptTokens: tokens, generated: [], maxTokens: 1000 });
    this.#scheduler.add(sequence);
    return sequence;
  }

  remove(sequence: Sequence): void {
    this.#scheduler.remove(sequence);
  }

  /** Milliseconds of one step. */
  async step(): Promise<number> {
    const startedMs = performance.now();
    await runStep({
      scheduler: this.#scheduler,
      executor: localExecutor(this.#engine.session),
      of: () => DRAWN,
      onFailure: (_sequence, reason) => {
        throw reason;
      },
    });
    return performance.now() - startedMs;
  }

  /** Times of the steps until the sequence has its first token. */
  async until(sequence: Sequence): Promise<number[]> {
    const steps: number[] = [];
    while (sequence.tokens.length === sequence.promptTokens) steps.push(await this.step());
    return steps;
  }
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

async function measure(engine: Engine, answers: number, pace: Pace): Promise<object> {
  const trial = new Trial(engine, pace);
  let promptAloneMs = 0;
  // The first one warms up.
  for (let times = 0; times < 2; times += 1) {
    const prompt = trial.add(PROMPT_TOKENS);
    promptAloneMs = total(await trial.until(prompt));
    trial.remove(prompt);
  }
  const running = Array.from({ length: answers }, () => trial.add(16));
  for (const sequence of running) await trial.until(sequence);
  const alone: number[] = [];
  for (let step = 0; step < STEPS_ALONE; step += 1) alone.push(await trial.step());
  const aloneMs = median(alone);
  const gaps: number[] = [];
  const waits: number[] = [];
  // One prompt after the other: what a long step owes is made up for beside the next one.
  for (let times = 0; times < 3; times += 1) {
    const prompt = trial.add(PROMPT_TOKENS);
    const steps = await trial.until(prompt);
    trial.remove(prompt);
    gaps.push(...steps);
    waits.push(total(steps));
  }
  const ratios = gaps.map((gap) => gap / aloneMs);
  const round = (value: number) => Number(value.toFixed(2));
  return {
    answers,
    ...pace,
    alone_ms: round(aloneMs),
    mean: round(total(ratios) / ratios.length),
    p95: round(percentile(ratios, 0.95)),
    max: round(Math.max(...ratios)),
    first_token_ms: round(median(waits)),
    first_token_ratio: round(median(waits) / promptAloneMs),
  };
}

const [folder, home, threads = '2'] = process.argv.slice(2);
if (folder === undefined || home === undefined) throw new Error('Expected MODEL and HOME as arguments');
const engine = await openEngine(
  { folder, home, packs: 'all', events: { onProgress: () => undefined, onWait: () => undefined } },
  { ...DEFAULT_ENGINE, threads: Number(threads), kvTokens: KV_BLOCKS * KV_BLOCK_TOKENS },
);
for (const answers of [1, 8]) {
  for (const pace of PACES) console.log(JSON.stringify(await measure(engine, answers, pace)));
}
await engine.close();
