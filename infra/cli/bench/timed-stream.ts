// An event stream over HTTP with the time at which each event came, for benches.
import { finished } from 'node:stream/promises';
import { request } from 'undici';
import { DomainError } from '../../errors/domain-error.ts';

export interface TimedEvent {
  /** Since the request was sent, in ms, when its last byte came. */
  readonly atMs: number;
  readonly data: string;
}

interface Arrival {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/**
 * Posts `body` and reads the stream to its end; [DONE] is left out. Events are looked at afterwards: on a machine that also
 * computes the answer, a busy client would slow down what it measures. Throws DomainError `generation_failed` when the
 * server refuses, `unavailable` when it cannot be reached.
 */
export async function timeStream(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: object,
): Promise<readonly TimedEvent[]> {
  const startedMs = performance.now();
  const json = { ...headers, 'content-type': 'application/json' };
  const response = await request(url, { method: 'POST', headers: json, body: JSON.stringify(body) }).catch((cause) => {
    throw new DomainError('unavailable', `${url} cannot be reached.`, { cause });
  });
  if (response.statusCode !== 200) throw incomplete(`status ${response.statusCode}: ${await response.body.text()}`);
  const arrivals: Arrival[] = [];
  response.body.on('data', (bytes: Uint8Array) => arrivals.push({ atMs: performance.now() - startedMs, bytes }));
  await finished(response.body);
  return [...eventData(arrivals)];
}

export function incomplete(what: string): DomainError {
  return new DomainError('generation_failed', `The answer over HTTP is not what was asked for: ${what}.`);
}

function* eventData(arrivals: readonly Arrival[]): Generator<TimedEvent> {
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
