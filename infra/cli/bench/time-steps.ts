// Decode steps of a group, timed: every stream takes in one random token a step. Sampling is left out, so what is measured is
// the model and the exchange; random tokens route like text that is not repetitive.
import { KV_BLOCK_TOKENS, type StepBatch } from '../../../native/model-session.ts';
import type { GroupExecutor } from '../../../workers/node/open-group-executor.ts';
import type { StepSeconds } from '../../../workers/node/step-statistics.ts';
import type { BenchGroup } from './bench-group.ts';
import { randomPrompt } from './bench-requests.ts';
import { median } from './statistics.ts';

/** Until the JavaScript between the parts of a layer is compiled for good: at first it takes three times as long. */
export const WARM_UP_STEPS = 100;

export interface TimedSteps {
  readonly streams: number;
  /** Steps that count, after as many as `warmUp` that do not. */
  readonly steps: number;
  readonly warmUp: number;
}

/** Seconds of a step: medians over the steps that count, since a busy machine now and then interrupts one. */
export interface StepTimes {
  /** The whole step by this process' clock. */
  readonly step: number;
  /** The leader's own experts, all layers. */
  readonly experts: number;
  /** From then until all outputs of a layer are here, all layers. */
  readonly wait: number;
  readonly rest: number;
  /** Of the rest what is neither attention nor lm_head. */
  readonly around: number;
}

/** Tokens of KV cache that the steps need. */
export function kvTokensOf({ streams, steps, warmUp }: TimedSteps): number {
  return streams * Math.ceil((steps + warmUp) / KV_BLOCK_TOKENS) * KV_BLOCK_TOKENS;
}

export async function timeSteps({ executor, packs }: BenchGroup, timed: TimedSteps): Promise<StepTimes> {
  const { streams, steps, warmUp } = timed;
  const logits = new Float32Array(streams * executor.vocab);
  const tokens = Array.from({ length: streams }, (_, stream) =>
    randomPrompt(packs.description.vocab, warmUp + steps, stream),
  );
  const times: StepTimes[] = [];
  for (let at = 0; at < warmUp + steps; at += 1) {
    const batch = decodeBatch(timed, tokens, at);
    const one = await timeStep(executor, batch, logits);
    if (at >= warmUp) times.push(one);
  }
  const middle = (of: keyof StepTimes): number => median(times.map((one) => one[of]));
  return {
    step: middle('step'),
    experts: middle('experts'),
    wait: middle('wait'),
    rest: middle('rest'),
    around: middle('around'),
  };
}

async function timeStep(executor: GroupExecutor, batch: StepBatch, logits: Float32Array): Promise<StepTimes> {
  const before = executor.observations().seconds;
  const startedMs = performance.now();
  await executor.step(batch, logits);
  const step = (performance.now() - startedMs) / 1e3;
  const after = executor.observations().seconds;
  const took = (part: keyof StepSeconds): number => after[part] - before[part];
  const rest = step - took('experts') - took('wait');
  return { step, experts: took('experts'), wait: took('wait'), rest, around: rest - took('attend') - took('project') };
}

/** One row of each stream at position `at`. */
function decodeBatch(timed: TimedSteps, tokens: readonly (readonly number[])[], at: number): StepBatch {
  const { streams } = timed;
  const blocks = kvTokensOf(timed) / streams / KV_BLOCK_TOKENS;
  const rows = Int32Array.from({ length: streams }, (_, stream) => stream);
  return {
    tokens: Int32Array.from(tokens, (of) => of[at] ?? 0),
    positions: new Int32Array(streams).fill(at),
    sequences: rows,
    blockTables: Int32Array.from({ length: streams * blocks }, (_, block) => block),
    blockTableWidth: blocks,
    logitRows: rows,
  };
}
