// An event stream over HTTP with the time at which each event came, for benches.
import { DomainError } from '../../errors/domain-error.ts';
import { type Arrival, rawPost } from './raw-request.ts';

export interface TimedEvent {
  /** Since the request was sent, in ms, when its last byte came. */
  readonly atMs: number;
  readonly data: string;
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
  const json = { ...headers, 'content-type': 'application/json' };
  const response = await rawPost(new URL(url), json, JSON.stringify(body)).catch((cause) => {
    if (cause instanceof DomainError) throw cause;
    throw new DomainError('unavailable', `${url} cannot be reached.`, { cause });
  });
  const text = () => response.body.map((piece) => piece.text).join('');
  if (response.status !== 200) throw incomplete(`status ${response.status}: ${text()}`);
  return [...eventData(response.body)];
}

export function incomplete(what: string): DomainError {
  return new DomainError('generation_failed', `The answer over HTTP is not what was asked for: ${what}.`);
}

function* eventData(arrivals: readonly Arrival[]): Generator<TimedEvent> {
  let rest = '';
  for (const { atMs, text } of arrivals) {
    const events = (rest + text).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data === undefined || data === 'data: [DONE]') continue;
      yield { atMs, data: Buffer.from(data.slice('data: '.length), 'latin1').toString('utf8') };
    }
  }
}
