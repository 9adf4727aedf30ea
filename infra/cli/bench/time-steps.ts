// Decode steps of a group, timed: every stream takes in one random token a step. Sampling is left out, so what is measured is
// the model and the exchange; random tokens route like text that is not repetitive.
import { KV_BLOCK_TOKENS, type StepBatch } from '../../../native/model-session.ts';
import type { StepSeconds } from '../../../workers/node/step-statistics.ts';
import type { BenchGroup } from './bench-group.ts';
import { randomPrompt } from './bench-requests.ts';

export interface TimedSteps {
  readonly streams: number;
  /** Steps that count, after as many as `warmUp` that do not. */
  readonly steps: number;
  readonly warmUp: number;
}

export interface StepTimes {
  /** Of one step by this process' clock. */
  readonly secondsPerStep: number;
  /** The leader's seconds of one step by what it did. */
  readonly seconds: StepSeconds;
  /** Positions that a row attended to, on average. */
  readonly context: number;
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
  const step = (at: number) => executor.step(decodeBatch(timed, tokens, at), logits);
  for (let at = 0; at < warmUp; at += 1) await step(at);
  const before = executor.observations().seconds;
  const startedMs = performance.now();
  for (let at = warmUp; at < warmUp + steps; at += 1) await step(at);
  const secondsPerStep = (performance.now() - startedMs) / 1e3 / steps;
  const after = executor.observations().seconds;
  const per = (cause: keyof StepSeconds): number => (after[cause] - before[cause]) / steps;
  const seconds = {
    attend: per('attend'),
    experts: per('experts'),
    wait: per('wait'),
    project: per('project'),
    total: per('total'),
  };
  return { secondsPerStep, seconds, context: warmUp + steps / 2 };
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
