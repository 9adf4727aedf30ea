// One streamed answer over HTTP, timed as its client sees it.
import { finished } from 'node:stream/promises';
import { request } from 'undici';
import { DomainError } from '../../errors/domain-error.ts';
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { type BenchPrompt, FORBIDDEN } from './bench-requests.ts';
import { type GenerationTimes, type Piece, timesOf } from './time-generation.ts';

type Target = Pick<ReadyFile, 'url' | 'apiKey' | 'model'>;

/**
 * Sends the prompt and reads the stream to its end. Events are looked at afterwards: on a machine that also computes the
 * answer, a busy client would slow down what it measures. Throws DomainError `generation_failed` when the answer is not whole.
 */
export async function streamCompletion(target: Target, prompt: BenchPrompt): Promise<GenerationTimes> {
  const body = requestBody(target.model, prompt);
  const headers = { authorization: `Bearer ${target.apiKey}`, 'content-type': 'application/json' };
  const startedMs = performance.now();
  const response = await request(`${target.url}/v1/completions`, { method: 'POST', headers, body });
  if (response.statusCode !== 200) throw failed(`status ${response.statusCode}: ${await response.body.text()}`);
  const arrivals: Arrival[] = [];
  response.body.on('data', (bytes: Uint8Array) => arrivals.push({ atMs: performance.now() - startedMs, bytes }));
  await finished(response.body);
  return readArrivals(arrivals, prompt.tokens);
}

interface Arrival {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

function readArrivals(arrivals: readonly Arrival[], expected: number): GenerationTimes {
  const pieces: Piece[] = [];
  let tokens = 0;
  for (const { atMs, data } of eventData(arrivals)) {
    const { choices, usage } = JSON.parse(data) as Chunk;
    for (const { text, finish_reason: reason } of choices) pieces.push({ atMs, text, last: reason !== null });
    tokens = usage?.completion_tokens ?? tokens;
  }
  if (tokens !== expected) throw failed(`${tokens} tokens came of ${expected}`);
  return timesOf(pieces, tokens);
}

interface Chunk {
  readonly choices: readonly { readonly text: string; readonly finish_reason: string | null }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

function requestBody(model: string, { promptTokens, tokens, eosTokens }: BenchPrompt): string {
  return JSON.stringify({
    model,
    prompt: promptTokens,
    max_tokens: tokens,
    temperature: 0,
    logit_bias: Object.fromEntries(eosTokens.map((id) => [id, FORBIDDEN])),
    stream: true,
    stream_options: { include_usage: true },
  });
}

/** The data of each event but [DONE], with the time at which its last byte came. */
function* eventData(arrivals: readonly Arrival[]): Generator<{ readonly atMs: number; readonly data: string }> {
  const decoder = new TextDecoder();
  let rest = '';
  for (const { atMs, bytes } of arrivals) {
    const events = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data !== undefined && data !== 'data: [DONE]') yield { atMs, data: data.slice('data: '.length) };
    }
  }
}

function failed(what: string): DomainError {
  return new DomainError('generation_failed', `The answer over HTTP is not what was asked for: ${what}.`);
}
