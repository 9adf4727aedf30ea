// A second engine on the same weights: a llama.cpp server (`--peer`), measured alternately with ours so that ratios are meaningful.
// `conclave model export-gguf` makes the file it serves.
import { request } from 'undici';
import { DomainError } from '../../errors/domain-error.ts';
import type { BenchPrompt } from './bench-requests.ts';
import { spreadText, type TableRow } from './report-bench.ts';
import { type Spread, spreadOf } from './statistics.ts';
import { type GenerationTimes, type Piece, timesOf } from './time-generation.ts';
import { incomplete, timeStream } from './timed-stream.ts';

export interface Peer {
  /** Answers the prompt; its tokens are not looked at. Throws DomainError as timeStream does. */
  generate(prompt: BenchPrompt): Promise<PeerAnswer>;
}

export interface PeerAnswer {
  /** As its client sees it. */
  readonly times: GenerationTimes;
  /** Time the server itself says the prompt took, in ms. */
  readonly promptMs: number;
}

/** Rates of both engines and, for each pair of runs, ours / the peer's. */
export interface PeerComparison {
  readonly tokens_per_second: Spread;
  readonly ratio: Spread;
}

export function comparePeer(ours: readonly number[], theirs: readonly number[]): PeerComparison {
  const ratios = ours.flatMap((rate, index) => {
    const peer = theirs[index];
    return peer === undefined ? [] : [rate / peer];
  });
  return { tokens_per_second: spreadOf(theirs), ratio: spreadOf(ratios) };
}

/** The comparison as rows of a bench's table. */
export function peerRows(peer: PeerComparison | null): readonly TableRow[] {
  if (peer === null) return [];
  return [
    ['peer, tokens per second', spreadText(peer.tokens_per_second, 1)],
    ['ratio to the peer', spreadText(peer.ratio, 2)],
  ];
}

/** The server at `url`, or null without one. Throws DomainError when it is away or serves a model of another vocabulary. */
export async function openPeer(url: string | undefined, vocab: number): Promise<Peer | null> {
  if (url === undefined) return null;
  const served = await servedVocab(url);
  if (served !== vocab) {
    const message = `${url} serves a model of ${served} tokens, and this one has ${vocab}: the peer must run the same weights.`;
    throw new DomainError('bad_config', message, { param: '--peer' });
  }
  return { generate: (prompt) => generate(url, prompt) };
}

async function servedVocab(url: string): Promise<number> {
  const path = `${url}/v1/models`;
  const response = await request(path).catch((cause) => {
    throw new DomainError('unavailable', `The peer ${path} cannot be reached.`, { param: '--peer', cause });
  });
  const models = (await response.body.json()) as { readonly data?: readonly { meta?: { n_vocab?: number } }[] };
  const vocab = models.data?.[0]?.meta?.n_vocab;
  if (vocab === undefined) throw new DomainError('bad_config', `${url} is no llama.cpp server.`, { param: '--peer' });
  return vocab;
}

interface Chunk {
  readonly content: string;
  readonly stop: boolean;
  readonly tokens_predicted?: number;
  readonly timings?: { readonly prompt_ms: number };
}

async function generate(url: string, { promptTokens, tokens }: BenchPrompt): Promise<PeerAnswer> {
  const body = {
    prompt: promptTokens,
    n_predict: tokens,
    temperature: 0,
    ignore_eos: true,
    cache_prompt: false,
    stream: true,
  };
  const pieces: Piece[] = [];
  let last: Chunk | undefined;
  for (const { atMs, data } of await timeStream(`${url}/completion`, {}, body)) {
    last = JSON.parse(data) as Chunk;
    pieces.push({ atMs, text: last.content, last: last.stop });
  }
  if (last?.tokens_predicted !== tokens) throw incomplete(`${last?.tokens_predicted ?? 0} tokens came of ${tokens}`);
  return { times: timesOf(pieces, tokens), promptMs: last.timings?.prompt_ms ?? 0 };
}
