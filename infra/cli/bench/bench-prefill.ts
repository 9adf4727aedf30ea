// `conclave bench prefill`: how fast a prompt is taken in.

import { inspectModel } from '../../../workers/model/inspect-model.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import { type BenchFlags, type PeerFlags, withBenchEngine } from './bench-engine.ts';
import { benchRequest, checkFits, randomPrompt } from './bench-requests.ts';
import { comparePeer, openPeer, type PeerComparison, peerRows } from './peer.ts';
import { say, spreadText, writeResult } from './report-bench.ts';
import { median, type Spread, spreadOf } from './statistics.ts';
import { timeGeneration } from './time-generation.ts';

export interface PrefillOptions extends BenchFlags, PeerFlags {
  readonly tokens: number;
  readonly runs: number;
}

/** `bench prefill --json`. Numbers are medians over the runs. */
export interface PrefillResult {
  readonly model: string;
  readonly threads: number;
  readonly tokens: number;
  readonly runs: number;
  readonly tokens_per_second: number;
  readonly teraflops: number;
  /** Time to the first token when the prompt is in the prefix cache / when it is not. */
  readonly cached_ratio: number;
  /** null without a peer. */
  readonly peer: PeerComparison | null;
  readonly spread: { readonly tokens_per_second: Spread; readonly teraflops: Spread; readonly cached_ratio: Spread };
}

export async function benchPrefill(options: PrefillOptions): Promise<void> {
  const { tokens, runs } = options;
  const limits = { kvTokens: tokens + 1, maxSequences: 1 };
  const result = await withBenchEngine(options, limits, async ({ engine, tokenizer }) => {
    const { description } = engine.packs;
    checkFits(description, tokens, 1);
    const peer = await openPeer(options.peer, description.vocab);
    const [seconds, cachedSeconds]: [number[], number[]] = [[], []];
    const peerRates: number[] = [];
    for (let index = 0; index <= runs; index += 1) {
      const promptTokens = randomPrompt(description.vocab, tokens, index);
      const prompt = { promptTokens, tokens: 1, eosTokens: tokenizer.eosIds };
      const { lastMs } = await timeGeneration(engine, tokenizer, benchRequest(prompt));
      const again = await timeGeneration(engine, tokenizer, benchRequest(prompt));
      const answer = await peer?.generate(prompt);
      // The first one warms up.
      if (index === 0) continue;
      seconds.push(lastMs / 1000);
      cachedSeconds.push(again.lastMs / 1000);
      if (answer !== undefined) peerRates.push((tokens * 1000) / answer.promptMs);
      say(`run ${index} of ${runs}: ${((tokens * 1000) / lastMs).toFixed(0)} tokens per second`);
    }
    const operations = prefillOperations(description, tokens);
    return resultOf(options, engine.threads, operations, seconds, cachedSeconds, peerRates);
  });
  writeResult(options, result, [
    ['tokens per second', spreadText(result.spread.tokens_per_second, 0)],
    ['TFLOP/s', spreadText(result.spread.teraflops, 3)],
    ['first token again / first token', spreadText(result.spread.cached_ratio, 3)],
    ...peerRows(result.peer),
  ]);
}

/** A multiplication and an addition for each weight a token meets; lm_head only for the last token, attention not counted. */
function prefillOperations(model: StoredModel, tokens: number): number {
  const { active, embedding, lmHead } = inspectModel(model, 1).parameters;
  return 2 * ((active - embedding - lmHead) * tokens + lmHead);
}

function resultOf(
  { model, tokens }: PrefillOptions,
  threads: number,
  operations: number,
  seconds: readonly number[],
  cachedSeconds: readonly number[],
  peerRates: readonly number[],
): PrefillResult {
  const rates = seconds.map((time) => tokens / time);
  const teraflops = seconds.map((time) => operations / time / 1e12);
  const cachedRatios = seconds.map((time, index) => (cachedSeconds[index] ?? time) / time);
  return {
    model,
    threads,
    tokens,
    runs: seconds.length,
    tokens_per_second: median(rates),
    teraflops: median(teraflops),
    cached_ratio: median(cachedRatios),
    peer: peerRates.length === 0 ? null : comparePeer(rates, peerRates),
    spread: {
      tokens_per_second: spreadOf(rates),
      teraflops: spreadOf(teraflops),
      cached_ratio: spreadOf(cachedRatios),
    },
  };
}
