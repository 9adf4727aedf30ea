// What sampling costs beside the step that computes the logits, on the engine without Redis: decode steps of several streams,
// their logits written once, and sampled outside of a step by as many threads, alternately. METHODOLOGY.md has the rules.
// Usage: node dist/test/bench/sampling.js MODEL HOME [STREAMS THREADS]. Each line is JSON:
//   params        what the streams ask for
//   step_ms       a step that samples nothing; sampled_ms: one that samples: smallest, median, largest of the rounds
//   sampling_ms   sampling its logits
//   share         sampling_ms / step_ms within each round
import { randomPrompt } from '../../infra/cli/bench/bench-requests.ts';
import { type Spread, spreadOf } from '../../infra/cli/bench/statistics.ts';
import { GREEDY, type SamplingParams } from '../../infra/messages/generation-request.ts';
import { loadAddon } from '../../native/load-addon.ts';
import { KV_BLOCK_TOKENS, type StepBatch } from '../../native/model-session.ts';
import { RowSampling, type TokenDraw } from '../../native/row-sampling.ts';
import { DEFAULT_ENGINE, type Engine, openEngine } from '../../workers/serve/open-engine.ts';

const ROUNDS = 15;
const WARM_UP = 3;

const CASES: readonly Partial<SamplingParams>[] = [
  {},
  { temperature: 0.7, topP: 0.9 },
  { temperature: 0.7, topK: 40, topP: 0.9 },
  { temperature: 1 },
  { temperature: 1, minP: 0.05, repetitionPenalty: 1.1 },
  { logprobs: { top: 5 } },
];

/** One row of each stream at position `at`. */
function decodeBatch(streams: number, vocab: number, at: number): StepBatch {
  const rows = Int32Array.from({ length: streams }, (_, stream) => stream);
  return {
    tokens: Int32Array.from(randomPrompt(vocab, streams, at)),
    positions: new Int32Array(streams).fill(at % KV_BLOCK_TOKENS),
    sequences: rows,
    blockTables: rows,
    blockTableWidth: 1,
    logitRows: rows,
  };
}

function samplingOf(streams: number, params: SamplingParams, position: number): RowSampling {
  const counts = Int32Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? at * 50 : 1));
  const draws = Array.from({ length: streams }, (_, row): TokenDraw => {
    return { row, guesses: [], params, choice: row, position, counts, constraint: null };
  });
  return new RowSampling(streams, draws, []);
}

async function timed(work: () => unknown): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

interface Round {
  readonly step: number;
  readonly sampled: number;
  readonly sampling: number;
}

async function round(
  { session, threads }: Engine,
  streams: number,
  params: SamplingParams,
  at: number,
): Promise<Round> {
  const { vocab } = session.description;
  const batch = decodeBatch(streams, vocab, at);
  const logits = new Float32Array(streams * vocab);
  await session.step(batch, logits);
  const outside = samplingOf(streams, params, at);
  const step = await timed(() => session.step(batch, new RowSampling(streams, [], [])));
  const sampling = await timed(() => loadAddon().sampleRows(logits, vocab, threads, outside.raw));
  const sampled = await timed(() => session.step(batch, samplingOf(streams, params, at)));
  return { step, sampled, sampling };
}

function rounded({ min, median, max }: Spread): readonly number[] {
  return [min, median, max].map((value) => Number(value.toFixed(4)));
}

const [folder, home, streamsText = '16', threads = '2'] = process.argv.slice(2);
if (folder === undefined || home === undefined) throw new Error('Expected MODEL and HOME as arguments');
const streams = Number(streamsText);
const engine = await openEngine(
  { folder, home, packs: 'all', events: { onProgress: () => undefined, onWait: () => undefined } },
  { ...DEFAULT_ENGINE, threads: Number(threads), kvTokens: streams * KV_BLOCK_TOKENS, maxRows: streams },
);
for (const change of CASES) {
  const rounds: Round[] = [];
  for (let at = 0; at < WARM_UP + ROUNDS; at += 1) {
    const one = await round(engine, streams, { ...GREEDY, seed: 1, ...change }, at);
    if (at >= WARM_UP) rounds.push(one);
  }
  const spread = (of: (each: Round) => number) => rounded(spreadOf(rounds.map(of)));
  console.log(
    JSON.stringify({
      params: change,
      step_ms: spread(({ step }) => step),
      sampled_ms: spread(({ sampled }) => sampled),
      sampling_ms: spread(({ sampling }) => sampling),
      share: spread(({ step, sampling }) => sampling / step),
    }),
  );
}
await engine.close();
