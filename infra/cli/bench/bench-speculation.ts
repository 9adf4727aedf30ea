// `conclave bench speculation`: the gain from verifying drafted tokens when they are correct, the cost when nothing can be
// drafted, and the effect on a given prompt. All variants answer the same requests with the same tokens, alternately.
import { expertShape } from '../../../native/model-description.ts';
import { NgramDrafter } from '../../../workers/speculation/ngram-drafter.ts';
import { DomainError } from '../../errors/domain-error.ts';
import type { GenerationRequest } from '../../messages/generation-request.ts';
import { type BenchEngine, type BenchFlags, withBenchEngine } from './bench-engine.ts';
import { benchRequest, checkFits, randomPrompt } from './bench-requests.ts';
import { CountingExecutor } from './counting-executor.ts';
import { DecodeTrial, type Way } from './decode-trial.ts';
import { OracleDrafter } from './oracle-drafter.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { type Spread, spreadOf } from './statistics.ts';

export interface SpeculationOptions extends BenchFlags {
  readonly tokens: number;
  readonly promptTokens: number;
  readonly runs: number;
  /** Guesses verified in each step, all of them right. */
  readonly guesses: readonly number[];
  /** A text to continue, beside random tokens. */
  readonly prompt?: string;
}

/** A way of answering, against one token a step. */
interface Gain {
  /** Rate / rate of single tokens right before it. */
  readonly gain: Spread;
  /** Bytes of weights that single tokens read / bytes that this way reads, by the experts that each step's rows chose. */
  readonly predicted_gain: number;
  /** Median gain / predicted gain. */
  readonly of_predicted: number;
  readonly tokens_per_step: number;
  readonly rows_per_step: number;
  /** Mean over layers and steps. */
  readonly experts_per_layer: number;
}

/** `bench speculation --json`. */
export interface SpeculationResult {
  readonly model: string;
  readonly threads: number;
  readonly tokens: number;
  readonly runs: number;
  /** One token a step. */
  readonly tokens_per_second: Spread;
  /** Correct drafts per step. */
  readonly forced: readonly (Gain & { readonly guesses: number })[];
  /** `speculation: auto` on tokens drawn at random, which hardly repeat themselves. */
  readonly random_text: Gain;
  /** `speculation: auto` on the answer to the prompt; null without one. */
  readonly prompt: Gain | null;
}

const auto: Way = () => new NgramDrafter();
const forced =
  (guesses: number): Way =>
  (text) =>
    new OracleDrafter(text, guesses);

export async function benchSpeculation(options: SpeculationOptions): Promise<void> {
  const { promptTokens, tokens } = options;
  const limits = { kvTokens: promptTokens + tokens, maxSequences: 1 };
  const result = await withBenchEngine(options, limits, (bench) => measure(options, bench));
  writeResult(options, result, describe(result));
}

async function measure(options: SpeculationOptions, bench: BenchEngine): Promise<SpeculationResult> {
  const { model, tokens, runs, guesses, prompt } = options;
  checkFits(bench.engine.packs.description, options.promptTokens, tokens);
  const random = (index: number) => randomRequest(options, bench, index);
  const rates: number[] = [];
  const forcedGains = [];
  for (const count of guesses) {
    say(`${count} right guesses in each step`);
    forcedGains.push({ guesses: count, ...(await compare(runs, bench, random, forced(count), rates)) });
  }
  say('guesses for random text');
  const randomText = await compare(runs, bench, random, auto, rates);
  const continued = prompt === undefined ? null : await continuePrompt(options, prompt, bench);
  return {
    model,
    threads: bench.engine.threads,
    tokens,
    runs,
    tokens_per_second: spreadOf(rates),
    forced: forcedGains,
    random_text: randomText,
    prompt: continued,
  };
}

/** Drawn at temperature 1: the likeliest tokens of random weights run into a loop. */
function randomRequest(
  { promptTokens: length, tokens }: SpeculationOptions,
  { engine, tokenizer }: BenchEngine,
  index: number,
): GenerationRequest {
  const promptTokens = randomPrompt(engine.packs.description.vocab, length, index);
  const request = benchRequest({ promptTokens, tokens, eosTokens: tokenizer.eosIds });
  return { ...request, sampling: { ...request.sampling, temperature: 1, seed: index } };
}

async function continuePrompt(
  { runs, tokens, promptTokens: most }: SpeculationOptions,
  prompt: string,
  bench: BenchEngine,
): Promise<Gain> {
  say('guesses for the prompt');
  const { tokenizer } = bench;
  const promptTokens = await tokenizer.encode(prompt, { specials: 'parsed', addPromptTokens: true });
  if (promptTokens.length > most) {
    const message = `The text has ${promptTokens.length} tokens, more than --prompt-tokens (${most}).`;
    throw new DomainError('invalid_request', message, { param: '--prompt' });
  }
  const request = benchRequest({ promptTokens, tokens, eosTokens: tokenizer.eosIds });
  return compare(runs, bench, () => request, auto, []);
}

/** Times single tokens and this way, `runs` times after one to warm up; then counts what each reads. */
async function compare(
  runs: number,
  bench: BenchEngine,
  requestOf: (index: number) => GenerationRequest,
  way: Way,
  rates: number[],
): Promise<Gain> {
  const [single, guessing] = [new DecodeTrial(bench, null), new DecodeTrial(bench, way)];
  const ratios: number[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const request = requestOf(run);
    const before = await single.run(request, null);
    const guessed = await guessing.run(request, before.text);
    const after = await single.run(request, before.text);
    // The first run is for warming up.
    if (run === 0) continue;
    rates.push(before.rate);
    ratios.push((2 * guessed.rate) / (before.rate + after.rate));
  }
  return {
    gain: spreadOf(ratios),
    ...(await countReads(bench, requestOf(1), single, guessing, spreadOf(ratios).median)),
  };
}

async function countReads(
  { engine }: BenchEngine,
  request: GenerationRequest,
  single: DecodeTrial,
  guessing: DecodeTrial,
  gain: number,
): Promise<Omit<Gain, 'gain'>> {
  const [plain, counted] = [new CountingExecutor(engine), new CountingExecutor(engine)];
  const { text } = await single.run(request, null, plain);
  await guessing.run(request, text, counted);
  const predicted = plain.bytes / counted.bytes;
  return {
    predicted_gain: predicted,
    of_predicted: gain / predicted,
    tokens_per_step: plain.steps / counted.steps,
    rows_per_step: counted.rows / counted.steps,
    experts_per_layer: counted.experts / counted.steps / expertShape(engine.packs.description).layers.length,
  };
}

function describe({ tokens_per_second: rate, forced: forcedGains, random_text, prompt }: SpeculationResult) {
  const row = (name: string, gain: Gain): TableRow => [
    name,
    spreadText(gain.gain, 3),
    gain.predicted_gain.toFixed(3),
    gain.of_predicted.toFixed(3),
    gain.tokens_per_step.toFixed(2),
    gain.experts_per_layer.toFixed(1),
  ];
  return [
    ['single tokens per second', spreadText(rate, 1)],
    ['', 'gain', 'predicted', 'of it', 'tokens per step', 'experts per layer'],
    ...forcedGains.map((gain) => row(`${gain.guesses} right guesses a step`, gain)),
    row('random text', random_text),
    ...(prompt === null ? [] : [row('the prompt', prompt)]),
  ] as const;
}
