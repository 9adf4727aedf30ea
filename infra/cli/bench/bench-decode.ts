// `conclave bench decode`: one stream, token after token, against what reading the weights alone would allow.

import { readBandwidth } from '../../../native/read-probe.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import type { Engine } from '../../../workers/serve/open-engine.ts';
import { formatBytes } from '../format-bytes.ts';
import { anonymousBytes } from './anonymous-bytes.ts';
import { type BenchFlags, withBenchEngine } from './bench-engine.ts';
import { benchRequest, checkFits, randomPrompt } from './bench-requests.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { median, type Spread, spreadOf } from './statistics.ts';
import { decodeRate, timeGeneration } from './time-generation.ts';

export interface DecodeOptions extends BenchFlags {
  readonly tokens: number;
  readonly promptTokens: number;
  readonly runs: number;
}

/** `bench decode --json`. Numbers are medians over the runs. */
export interface DecodeResult {
  readonly model: string;
  readonly threads: number;
  readonly prompt_tokens: number;
  readonly tokens: number;
  readonly runs: number;
  readonly tokens_per_second: number;
  readonly bytes_per_token: number;
  readonly probe_bytes_per_second: number;
  readonly fraction_of_probe: number;
  readonly load_seconds: number;
  readonly anonymous_bytes: number | null;
  readonly spread: {
    readonly tokens_per_second: Spread;
    readonly probe_bytes_per_second: Spread;
    readonly fraction_of_probe: Spread;
  };
}

interface Run {
  readonly rate: number;
  /** Bytes per second, mean of the probes before and after the run. */
  readonly probe: number;
}

export async function benchDecode(options: DecodeOptions): Promise<void> {
  const { promptTokens, tokens } = options;
  const limits = { kvTokens: promptTokens + tokens, maxSequences: 1 };
  const result = await withBenchEngine(options, limits, async ({ engine, tokenizer, loadSeconds }) => {
    const { description } = engine.packs;
    checkFits(description, promptTokens, tokens);
    const decode = async (index: number): Promise<number> => {
      const prompt = randomPrompt(description.vocab, promptTokens, index);
      const request = benchRequest({ promptTokens: prompt, tokens, eosTokens: tokenizer.eosIds });
      return decodeRate(await timeGeneration(engine, tokenizer, request));
    };
    return resultOf(options, engine, loadSeconds, await alternate(options.runs, decode, () => probe(engine)));
  });
  writeResult(options, result, describe(result));
}

/** A run for warming up, then each run between two probes. */
async function alternate(runs: number, decode: (index: number) => Promise<number>, probe: () => number) {
  await decode(0);
  const done: Run[] = [];
  let before = probe();
  for (let index = 1; index <= runs; index += 1) {
    const rate = await decode(index);
    const after = probe();
    done.push({ rate, probe: (before + after) / 2 });
    before = after;
    say(`run ${index} of ${runs}: ${rate.toFixed(1)} tokens per second`);
  }
  return done;
}

function probe({ packs, threads }: Engine): number {
  const shared = packs.shared === null ? [] : [packs.shared.file];
  return readBandwidth([...shared, ...[...packs.experts.values()].map(({ file }) => file)], threads);
}

function resultOf(options: DecodeOptions, engine: Engine, loadSeconds: number, runs: readonly Run[]): DecodeResult {
  const bytesPerToken = inspectModel(engine.packs.description, 1).bytes.perToken;
  const rates = runs.map(({ rate }) => rate);
  const probes = runs.map(({ probe }) => probe);
  const fractions = runs.map(({ rate, probe }) => (rate * bytesPerToken) / probe);
  return {
    model: options.model,
    threads: engine.threads,
    prompt_tokens: options.promptTokens,
    tokens: options.tokens,
    runs: runs.length,
    tokens_per_second: median(rates),
    bytes_per_token: bytesPerToken,
    probe_bytes_per_second: median(probes),
    fraction_of_probe: median(fractions),
    load_seconds: loadSeconds,
    anonymous_bytes: anonymousBytes(),
    spread: {
      tokens_per_second: spreadOf(rates),
      probe_bytes_per_second: spreadOf(probes),
      fraction_of_probe: spreadOf(fractions),
    },
  };
}

function describe(result: DecodeResult): readonly TableRow[] {
  const { spread } = result;
  return [
    ['tokens per second', spreadText(spread.tokens_per_second, 1)],
    ['bytes per token', formatBytes(result.bytes_per_token)],
    ['read probe, GB/s', spreadText(spread.probe_bytes_per_second, 1, 1e-9)],
    ['fraction of probe', spreadText(spread.fraction_of_probe, 3)],
    ['load seconds', result.load_seconds.toFixed(2)],
    ['anonymous memory', result.anonymous_bytes === null ? 'unknown' : formatBytes(result.anonymous_bytes)],
  ];
}
