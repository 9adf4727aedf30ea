// `conclave bench serve`: many clients at once, over HTTP. All clients of a round send a request at the same moment; the rate
// is all their tokens over the time until the last one has its answer.
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { type BenchFlags, type PeerFlags, withBenchEngine } from './bench-engine.ts';
import { type BenchPrompt, checkFits, randomPrompt } from './bench-requests.ts';
import { comparePeer, openPeer, type PeerComparison } from './peer.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { median, percentile, type Spread, spreadOf } from './statistics.ts';
import { streamCompletion } from './stream-completion.ts';
import { withTemporaryCluster } from './temporary-cluster.ts';
import type { GenerationTimes } from './time-generation.ts';

export interface ServeOptions extends BenchFlags, PeerFlags {
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
  readonly first_token_ms: Tails;
  readonly inter_token_ms: Tails;
  readonly spread: { readonly tokens_per_second: Spread };
  /** null without a peer. `first_token_ratio`: the peer's median time to a first token / ours. */
  readonly peer: (PeerComparison & { readonly first_token_ms: Tails; readonly first_token_ratio: number }) | null;
}

interface Tails {
  readonly p50: number;
  readonly p95: number;
}

interface Round {
  readonly rate: number;
  readonly answers: readonly GenerationTimes[];
}

type Ask = (prompt: BenchPrompt) => Promise<GenerationTimes>;

export async function benchServe(options: ServeOptions): Promise<void> {
  const { promptTokens, maxTokens } = options;
  const { vocab, eosTokens } = await readModel(options);
  const promptOf = (index: number): BenchPrompt => {
    return { promptTokens: randomPrompt(vocab, promptTokens, index), tokens: maxTokens, eosTokens };
  };
  const peer = await openPeer(options.peer, vocab);
  const clients = await withTemporaryCluster(options, (cluster: ReadyFile) => {
    const asks: Asks = {
      ours: (prompt) => streamCompletion(cluster, prompt),
      peer: peer && (async (prompt) => (await peer.generate(prompt)).times),
    };
    return measureAll(options, promptOf, asks);
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

interface Asks {
  readonly ours: Ask;
  readonly peer: Ask | null;
}

async function measureAll(
  { clients, rounds }: ServeOptions,
  promptOf: (index: number) => BenchPrompt,
  asks: Asks,
): Promise<ClientsResult[]> {
  let index = 0;
  const nextPrompts = (count: number): BenchPrompt[] => Array.from({ length: count }, () => promptOf(index++));
  await runRound(nextPrompts(1), asks.ours);
  const results: ClientsResult[] = [];
  for (const count of clients) {
    const ours: Round[] = [];
    const theirs: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const prompts = nextPrompts(count);
      ours.push(await runRound(prompts, asks.ours));
      if (asks.peer !== null) theirs.push(await runRound(prompts, asks.peer));
    }
    const result = resultOf(count, ours, theirs);
    results.push(result);
    const ratio = result.peer === null ? '' : `, ${result.peer.ratio.median.toFixed(2)} of the peer`;
    say(`${count} clients: ${result.tokens_per_second.toFixed(1)} tokens per second${ratio}`);
  }
  return results;
}

/** All prompts at the same moment. */
async function runRound(prompts: readonly BenchPrompt[], ask: Ask): Promise<Round> {
  const startedMs = performance.now();
  const answers = await Promise.all(prompts.map(ask));
  const seconds = (performance.now() - startedMs) / 1000;
  return { answers, rate: answers.reduce((sum, { tokens }) => sum + tokens, 0) / seconds };
}

function resultOf(clients: number, rounds: readonly Round[], peerRounds: readonly Round[]): ClientsResult {
  const rates = rounds.map(({ rate }) => rate);
  const answers = rounds.flatMap((round) => round.answers);
  const firstToken = firstTokens(rounds);
  return {
    clients,
    tokens_per_second: median(rates),
    first_token_ms: firstToken,
    inter_token_ms: tails(answers.flatMap(({ gapsMs }) => gapsMs)),
    spread: { tokens_per_second: spreadOf(rates) },
    peer: peerRounds.length === 0 ? null : peerResult(rates, firstToken, peerRounds),
  };
}

function peerResult(rates: readonly number[], { p50 }: Tails, rounds: readonly Round[]): ClientsResult['peer'] {
  const theirs = rounds.map(({ rate }) => rate);
  const first = firstTokens(rounds);
  return { ...comparePeer(rates, theirs), first_token_ms: first, first_token_ratio: first.p50 / p50 };
}

function firstTokens(rounds: readonly Round[]): Tails {
  return tails(rounds.flatMap(({ answers }) => answers.map(({ firstMs }) => firstMs)));
}

function tails(values: readonly number[]): Tails {
  return { p50: median(values), p95: percentile(values, 0.95) };
}

function describe(results: readonly ClientsResult[]): readonly TableRow[] {
  const text = ({ p50, p95 }: Tails): string => `${p50.toFixed(1)}, ${p95.toFixed(1)}`;
  const hasPeer = results.some(({ peer }) => peer !== null);
  const peerHeads = hasPeer ? ['peer', 'ratio', "peer's first token ms p50, p95"] : [];
  return [
    ['clients', 'tokens per second', 'first token ms p50, p95', 'between tokens ms p50, p95', ...peerHeads],
    ...results.map(({ clients, spread, first_token_ms, inter_token_ms, peer }): TableRow => {
      const peerCells =
        peer === null
          ? []
          : [spreadText(peer.tokens_per_second, 1), spreadText(peer.ratio, 2), text(peer.first_token_ms)];
      const rate = spreadText(spread.tokens_per_second, 1);
      return [String(clients), rate, text(first_token_ms), text(inter_token_ms), ...peerCells];
    }),
  ];
}
