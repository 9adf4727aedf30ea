// `conclave bench serve`: many clients at once, over HTTP. All clients of a round send a request at the same moment; the rate
// is all their tokens over the time until the last one has its answer.
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { type BenchFlags, withBenchEngine } from './bench-engine.ts';
import { checkFits, randomPrompt } from './bench-requests.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { median, percentile, type Spread, spreadOf } from './statistics.ts';
import { streamCompletion } from './stream-completion.ts';
import { withTemporaryCluster } from './temporary-cluster.ts';
import type { GenerationTimes } from './time-generation.ts';

export interface ServeOptions extends BenchFlags {
  readonly clients: readonly number[];
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly rounds: number;
}

/** `bench serve --json`: one entry for each number of clients. */
export interface ServeResult {
  readonly model: string;
  readonly prompt_tokens: number;
  readonly max_tokens: number;
  readonly rounds: number;
  readonly clients: readonly ClientsResult[];
}

interface ClientsResult {
  readonly clients: number;
  /** Median over the rounds. */
  readonly tokens_per_second: number;
  readonly first_token_ms: { readonly p50: number; readonly p95: number };
  readonly inter_token_ms: { readonly p50: number; readonly p95: number };
  readonly spread: { readonly tokens_per_second: Spread };
}

interface Round {
  readonly rate: number;
  readonly answers: readonly GenerationTimes[];
}

type Ask = (index: number) => Promise<GenerationTimes>;

export async function benchServe(options: ServeOptions): Promise<void> {
  const { promptTokens, maxTokens } = options;
  const { vocab, eosTokens } = await readModel(options);
  const clients = await withTemporaryCluster(options, (cluster: ReadyFile) => {
    const ask: Ask = (index) =>
      streamCompletion(cluster, {
        promptTokens: randomPrompt(vocab, promptTokens, index),
        tokens: maxTokens,
        eosTokens,
      });
    return measureAll(options, ask);
  });
  const { model, rounds } = options;
  const result: ServeResult = { model, prompt_tokens: promptTokens, max_tokens: maxTokens, rounds, clients };
  writeResult(options, result, describe(clients));
}

/** What prompts are made of; builds the packs when they are not there yet. */
function readModel(options: ServeOptions) {
  const needed = options.promptTokens + options.maxTokens;
  return withBenchEngine(options, { kvTokens: needed, maxSequences: 1 }, async ({ engine, tokenizer }) => {
    const { description } = engine.packs;
    checkFits(description, options.promptTokens, options.maxTokens);
    return { vocab: description.vocab, eosTokens: tokenizer.eosIds };
  });
}

async function measureAll({ clients, rounds }: ServeOptions, ask: Ask): Promise<ClientsResult[]> {
  let index = 0;
  const runRound = async (count: number): Promise<Round> => {
    const startedMs = performance.now();
    const answers = await Promise.all(Array.from({ length: count }, () => ask(index++)));
    const seconds = (performance.now() - startedMs) / 1000;
    return { answers, rate: answers.reduce((sum, { tokens }) => sum + tokens, 0) / seconds };
  };
  await runRound(1);
  const results: ClientsResult[] = [];
  for (const count of clients) {
    const done: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) done.push(await runRound(count));
    results.push(resultOf(count, done));
    say(`${count} clients: ${results.at(-1)?.tokens_per_second.toFixed(1)} tokens per second`);
  }
  return results;
}

function resultOf(clients: number, rounds: readonly Round[]): ClientsResult {
  const rates = rounds.map(({ rate }) => rate);
  const answers = rounds.flatMap((round) => round.answers);
  return {
    clients,
    tokens_per_second: median(rates),
    first_token_ms: tails(answers.map(({ firstMs }) => firstMs)),
    inter_token_ms: tails(answers.flatMap(({ gapsMs }) => gapsMs)),
    spread: { tokens_per_second: spreadOf(rates) },
  };
}

function tails(values: readonly number[]): { readonly p50: number; readonly p95: number } {
  return { p50: median(values), p95: percentile(values, 0.95) };
}

function describe(results: readonly ClientsResult[]): readonly TableRow[] {
  const text = ({ p50, p95 }: { readonly p50: number; readonly p95: number }) => `${p50.toFixed(1)}, ${p95.toFixed(1)}`;
  return [
    ['clients', 'tokens per second', 'first token ms p50, p95', 'between tokens ms p50, p95'],
    ...results.map(
      (one): TableRow => [
        String(one.clients),
        spreadText(one.spread.tokens_per_second, 1),
        text(one.first_token_ms),
        text(one.inter_token_ms),
      ],
    ),
  ];
}
