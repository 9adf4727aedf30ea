// One streamed answer over HTTP, timed as its client sees it.
import { request } from 'undici';
import { DomainError } from '../../errors/domain-error.ts';
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { type BenchPrompt, FORBIDDEN } from './bench-requests.ts';
import { ArrivalClock, type GenerationTimes } from './time-generation.ts';

type Target = Pick<ReadyFile, 'url' | 'apiKey' | 'model'>;

/** Sends the prompt and reads the stream to its end. Throws DomainError `generation_failed` when that is not a full answer. */
export async function streamCompletion(target: Target, prompt: BenchPrompt): Promise<GenerationTimes> {
  const body = requestBody(target.model, prompt);
  const headers = { authorization: `Bearer ${target.apiKey}`, 'content-type': 'application/json' };
  const clock = new ArrivalClock();
  const response = await request(`${target.url}/v1/completions`, { method: 'POST', headers, body });
  if (response.statusCode !== 200) throw failed(`status ${response.statusCode}: ${await response.body.text()}`);
  let tokens = 0;
  for await (const data of eventData(response.body)) {
    const { choices, usage } = JSON.parse(data) as Chunk;
    const [choice] = choices;
    if (choice !== undefined) clock.arrived(choice.text, choice.finish_reason !== null);
    tokens = usage?.completion_tokens ?? tokens;
  }
  if (tokens !== prompt.tokens) throw failed(`${tokens} tokens came of ${prompt.tokens}`);
  return clock.times(tokens);
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

/** The data of each event up to [DONE]. */
async function* eventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const events = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data !== undefined && data !== 'data: [DONE]') yield data.slice('data: '.length);
    }
  }
}

function failed(what: string): DomainError {
  return new DomainError('generation_failed', `The answer over HTTP is not what was asked for: ${what}.`);
}
