// One streamed answer over HTTP, timed as its client sees it.
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { type BenchPrompt, FORBIDDEN } from './bench-requests.ts';
import { type GenerationTimes, type Piece, timesOf } from './time-generation.ts';
import { incomplete, type TimedEvent, timeStream } from './timed-stream.ts';

type Target = Pick<ReadyFile, 'url' | 'apiKey' | 'model'>;

/** Sends the prompt and reads the answer. Throws DomainError `generation_failed` when it is not whole. */
export async function streamCompletion(target: Target, prompt: BenchPrompt): Promise<GenerationTimes> {
  const headers = { authorization: `Bearer ${target.apiKey}` };
  const events = await timeStream(`${target.url}/v1/completions`, headers, requestBody(target.model, prompt));
  return readEvents(events, prompt.tokens);
}

function readEvents(events: readonly TimedEvent[], expected: number): GenerationTimes {
  const pieces: Piece[] = [];
  let tokens = 0;
  for (const { atMs, data } of events) {
    const { choices, usage } = JSON.parse(data) as Chunk;
    for (const { text, finish_reason: reason } of choices) pieces.push({ atMs, text, last: reason !== null });
    tokens = usage?.completion_tokens ?? tokens;
  }
  if (tokens !== expected) throw incomplete(`${tokens} tokens came of ${expected}`);
  return timesOf(pieces, tokens);
}

interface Chunk {
  readonly choices: readonly { readonly text: string; readonly finish_reason: string | null }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

function requestBody(model: string, { promptTokens, tokens, eosTokens }: BenchPrompt): object {
  return {
    model,
    prompt: promptTokens,
    max_tokens: tokens,
    temperature: 0,
    logit_bias: Object.fromEntries(eosTokens.map((id) => [id, FORBIDDEN])),
    stream: true,
    stream_options: { include_usage: true },
  };
}
