// `conclave bench decode`: one stream, token after token, against what reading the weights alone would allow.

import { readBandwidth } from '../../../native/read-probe.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { filesOf } from '../../../workers/pack/open-packs.ts';
import type { Engine } from '../../../workers/serve/open-engine.ts';
import { formatBytes } from '../format-bytes.ts';
import { anonymousBytes } from './anonymous-bytes.ts';
import { type BenchFlags, type PeerFlags, withBenchEngine } from './bench-engine.ts';
import { type BenchPrompt, benchRequest, checkFits, randomPrompt } from './bench-requests.ts';
import { comparePeer, openPeer, type PeerComparison, peerRows } from './peer.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { median, type Spread, spreadOf } from './statistics.ts';
import { decodeRate, timeGeneration } from './time-generation.ts';

export interface DecodeOptions extends BenchFlags, PeerFlags {
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
  /** null without a peer. */
  readonly peer: PeerComparison | null;
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
  /** Tokens per second of the peer right after it. */
  readonly peer: number | null;
}

/** The engines that are measured alternately. */
interface Measures {
  readonly decode: (index: number) => Promise<number>;
  readonly probe: () => number;
  readonly askPeer: ((index: number) => Promise<number>) | null;
}

export async function benchDecode(options: DecodeOptions): Promise<void> {
  const { promptTokens, tokens } = options;
  const limits = { kvTokens: promptTokens + tokens, maxSequences: 1 };
  const result = await withBenchEngine(options, limits, async ({ engine, tokenizer, loadSeconds }) => {
    const { description } = engine.packs;
    checkFits(description, promptTokens, tokens);
    const peer = await openPeer(options.peer, description.vocab);
    const promptOf = (index: number): BenchPrompt => {
      const prompt = randomPrompt(description.vocab, promptTokens, index);
      return { promptTokens: prompt, tokens, eosTokens: tokenizer.eosIds };
    };
    const runs = await alternate(options.runs, {
      decode: async (index) => decodeRate(await timeGeneration(engine, tokenizer, benchRequest(promptOf(index)))),
      probe: () => probe(engine),
      askPeer: peer && (async (index) => decodeRate((await peer.generate(promptOf(index))).times)),
    });
    return resultOf(options, engine, loadSeconds, runs);
  });
  writeResult(options, result, describe(result));
}

/** A run for warming up, then each run between two probes, and the peer's run after it. */
async function alternate(runs: number, { decode, probe, askPeer }: Measures): Promise<Run[]> {
  await decode(0);
  await askPeer?.(0);
  const done: Run[] = [];
  let before = probe();
  for (let index = 1; index <= runs; index += 1) {
    const rate = await decode(index);
    const after = probe();
    const peer = askPeer && (await askPeer(index));
    done.push({ rate, probe: (before + after) / 2, peer });
    before = askPeer === null ? after : probe();
    say(
      `run ${index} of ${runs}: ${rate.toFixed(1)} tokens per second${peer === null ? '' : `, peer ${peer.toFixed(1)}`}`,
    );
  }
  return done;
}

function probe({ packs, threads }: Engine): number {
  return readBandwidth(filesOf(packs), threads);
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
    peer: runs.some(({ peer }) => peer !== null)
      ? comparePeer(
          rates,
          runs.map(({ peer }) => peer ?? 0),
        )
      : null,
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
    ...peerRows(result.peer),
    ['load seconds', result.load_seconds.toFixed(2)],
    ['anonymous memory', result.anonymous_bytes === null ? 'unknown' : formatBytes(result.anonymous_bytes)],
  ];
}
