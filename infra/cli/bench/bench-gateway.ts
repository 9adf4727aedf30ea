// `conclave bench gateway`: what gateway, queue and Redis add to the engine. Requests are answered twice, by the engine in
// this process and over HTTP by a cluster with the same weights and threads, one right after the other.
import { setTimeout as delay } from 'node:timers/promises';
import { KV_BLOCK_TOKENS } from '../../../native/model-session.ts';
import { DomainError } from '../../errors/domain-error.ts';
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { type BenchEngine, type BenchFlags, withBenchEngine } from './bench-engine.ts';
import { type BenchPrompt, benchRequest, checkFits, randomPrompt } from './bench-requests.ts';
import { say, spreadText, writeResult } from './report-bench.ts';
import { median, percentile, type Spread, spreadOf } from './statistics.ts';
import { streamCompletion } from './stream-completion.ts';
import { withTemporaryCluster } from './temporary-cluster.ts';
import { type GenerationTimes, timeTogether } from './time-generation.ts';

export interface GatewayOptions extends BenchFlags {
  /** Rounds; each has a request per stream. */
  readonly requests: number;
  readonly streams: number;
  readonly promptTokens: number;
  readonly tokens: number;
}

interface PathTimes {
  readonly first_token_ms: Spread;
  readonly token_ms: Spread;
}

/** `bench gateway --json`. */
export interface GatewayResult {
  readonly model: string;
  readonly threads: number;
  readonly requests: number;
  readonly streams: number;
  readonly prompt_tokens: number;
  readonly tokens: number;
  readonly engine: PathTimes;
  readonly http: PathTimes;
  /** Of the differences within each pair. */
  readonly added_first_token_ms: { readonly p50: number; readonly p95: number };
  /** Median over the pairs of time per token over HTTP / by the engine. */
  readonly token_time_ratio: number;
}

/** The streams of a round, both ways. */
interface Pair {
  readonly engine: RoundTimes;
  readonly http: RoundTimes;
}

/** Medians over the streams. */
interface RoundTimes {
  readonly firstMs: number;
  readonly tokenMs: number;
  readonly texts: readonly string[];
}

/** Long enough for a worker to settle the request before, so that the next one finds an idle system. */
const IDLE_MS = 50;
/** What a process runs for the first hundred times is slow: that is its start, not what a request costs. */
const WARM_UP_MS = 3_000;

export async function benchGateway(options: GatewayOptions): Promise<void> {
  const { promptTokens, tokens, streams } = options;
  const limits = { kvTokens: streams * (promptTokens + tokens + KV_BLOCK_TOKENS), maxSequences: streams };
  const result = await withBenchEngine(options, limits, async (bench) => {
    checkFits(bench.engine.packs.description, promptTokens, tokens);
    const pairs = await withTemporaryCluster(options, (cluster) => measurePairs(options, bench, cluster));
    return resultOf(options, bench.engine.threads, pairs);
  });
  const { engine, http, added_first_token_ms: added } = result;
  writeResult(options, result, [
    ['', 'engine', 'over HTTP', 'added'],
    [
      'first token, ms',
      spreadText(engine.first_token_ms, 2),
      spreadText(http.first_token_ms, 2),
      `p50 ${added.p50.toFixed(2)}, p95 ${added.p95.toFixed(2)}`,
    ],
    [
      'each token, ms',
      spreadText(engine.token_ms, 3),
      spreadText(http.token_ms, 3),
      `${((result.token_time_ratio - 1) * 100).toFixed(1)} %`,
    ],
  ]);
}

async function measurePairs(options: GatewayOptions, bench: BenchEngine, cluster: ReadyFile): Promise<Pair[]> {
  await warmUp(options, bench, cluster);
  const pairs: Pair[] = [];
  while (pairs.length < options.requests) {
    pairs.push(await measurePair(options, bench, cluster, pairs.length));
    if (pairs.length % 10 === 0) say(`${pairs.length} of ${options.requests} requests`);
  }
  return pairs;
}

async function warmUp(options: GatewayOptions, bench: BenchEngine, cluster: ReadyFile): Promise<void> {
  const untilMs = performance.now() + WARM_UP_MS;
  for (let round = options.requests; performance.now() < untilMs; round += 1) {
    const prompts = benchPrompts({ ...options, tokens: 2 }, bench, round);
    await byEngine(bench, prompts);
    await overHttp(cluster, prompts);
  }
}

/** One for each stream. */
function benchPrompts({ promptTokens, tokens, streams }: GatewayOptions, bench: BenchEngine, round: number) {
  const { vocab } = bench.engine.packs.description;
  return Array.from({ length: streams }, (_, stream): BenchPrompt => {
    const prompt = randomPrompt(vocab, promptTokens, round * streams + stream);
    return { promptTokens: prompt, tokens, eosTokens: bench.tokenizer.eosIds };
  });
}

async function byEngine({ engine, tokenizer }: BenchEngine, prompts: readonly BenchPrompt[]): Promise<RoundTimes> {
  const requests = prompts.map((prompt, stream) => benchRequest(prompt, `${stream}`));
  return roundTimes(await timeTogether(engine, tokenizer, requests));
}

async function overHttp(cluster: ReadyFile, prompts: readonly BenchPrompt[]): Promise<RoundTimes> {
  await delay(IDLE_MS);
  const times = await Promise.all(prompts.map((prompt) => streamCompletion(cluster, prompt)));
  await delay(IDLE_MS);
  return roundTimes(times);
}

function roundTimes(times: readonly GenerationTimes[]): RoundTimes {
  return {
    firstMs: median(times.map(({ firstMs }) => firstMs)),
    tokenMs: median(times.map(timePerToken)),
    texts: times.map(({ text }) => text),
  };
}

function timePerToken({ firstMs, lastMs, tokens }: GenerationTimes): number {
  return (lastMs - firstMs) / (tokens - 1);
}

/** Alternates which one runs first. Throws DomainError `internal` if the answers differ. */
async function measurePair(
  options: GatewayOptions,
  bench: BenchEngine,
  cluster: ReadyFile,
  round: number,
): Promise<Pair> {
  const prompts = benchPrompts(options, bench, round);
  const early = round % 2 === 0 ? null : await overHttp(cluster, prompts);
  const engine = await byEngine(bench, prompts);
  const http = early ?? (await overHttp(cluster, prompts));
  if (http.texts.every((text, stream) => text === engine.texts[stream])) return { engine, http };
  throw new DomainError('internal', 'The answer over HTTP differs from that of the engine.');
}

function resultOf(options: GatewayOptions, threads: number, pairs: readonly Pair[]): GatewayResult {
  const added = pairs.map(({ engine, http }) => http.firstMs - engine.firstMs);
  return {
    model: options.model,
    threads,
    requests: pairs.length,
    streams: options.streams,
    prompt_tokens: options.promptTokens,
    tokens: options.tokens,
    engine: pathTimes(pairs.map(({ engine }) => engine)),
    http: pathTimes(pairs.map(({ http }) => http)),
    added_first_token_ms: { p50: median(added), p95: percentile(added, 0.95) },
    token_time_ratio: median(pairs.map(({ engine, http }) => http.tokenMs / engine.tokenMs)),
  };
}

function pathTimes(times: readonly RoundTimes[]): PathTimes {
  return {
    first_token_ms: spreadOf(times.map(({ firstMs }) => firstMs)),
    token_ms: spreadOf(times.map(({ tokenMs }) => tokenMs)),
  };
}
