// A queue and token streams without Redis or workers: what was enqueued is recorded, and what a worker would have written is
// given by a script. Used where the real part is another process.
import { EventEmitter, on } from 'node:events';
import type { GenerationQueue } from '../../gateway/queue/enqueue-generation.ts';
import type { StreamEntry, StreamFollower } from '../../gateway/stream/follow-streams.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';
import type { TerminalEvent, TokenEvent, TokensEvent } from '../../infra/messages/token-event.ts';
import type { GenerationRecord } from '../../infra/queue/generation-record.ts';

/** What the worker writes for a request: given at once, or `undefined` to be written later with `write`. */
export type Script = (request: GenerationRequest) => readonly TokenEvent[] | undefined;

export interface ScriptedWorker {
  readonly queue: GenerationQueue;
  readonly streams: StreamFollower;
  readonly requests: GenerationRequest[];
  readonly cancelled: string[];
  /** Ids whose follower left before the end. */
  readonly left: string[];
  /** Appends entries to a request's stream. */
  write(id: string, ...events: readonly TokenEvent[]): void;
  record(id: string): GenerationRecord | null;
  /** Makes every following use fail as if Redis were unreachable. */
  takeRedisAway(): void;
}

/** Tokens of one choice, without log-probabilities. */
export function tokens(text: string, extra: Partial<TokensEvent> = {}): TokensEvent {
  return { type: 'tokens', choice: 0, ids: [...Buffer.from(text)], text, logprobs: null, finish: null, ...extra };
}

/** The terminal entry of a generation that finished. */
export function finished(completionTokens = 2): TerminalEvent {
  const usage = { promptTokens: 5, completionTokens, cachedTokens: 1 };
  return { type: 'end', outcome: 'finished', error: null, usage };
}

/** The terminal entry of a generation that failed. */
export function failed(code: string, message: string): TerminalEvent {
  const usage = { promptTokens: 5, completionTokens: 0, cachedTokens: 0 };
  return { type: 'end', outcome: 'failed', error: { code, message }, usage };
}

/** A worker that follows `script`. */
export function createScriptedWorker(script: Script): ScriptedWorker {
  const written = new Map<string, Omit<StreamEntry, 'more'>[]>();
  const byKey = new Map<string, { readonly id: string; readonly bodyDigest: string }>();
  const changes = new EventEmitter().setMaxListeners(0);
  const requests: GenerationRequest[] = [];
  const cancelled: string[] = [];
  const left: string[] = [];
  let away = false;
  const reach = () => {
    if (away) throw new DomainError('unavailable', 'The database cannot be reached.', { retryAfterSeconds: 1 });
  };
  const write = (id: string, ...events: readonly TokenEvent[]) => {
    const entries = written.get(id) ?? [];
    written.set(id, entries);
    for (const event of events) entries.push({ seq: entries.length + 1, event });
    changes.emit(id);
  };
  async function* follow(id: string, fromSeq = 1, signal?: AbortSignal): AsyncGenerator<StreamEntry> {
    let next = fromSeq;
    let done = false;
    const news = on(changes, id, signal === undefined ? {} : { signal });
    try {
      for (;;) {
        reach();
        const entries = (written.get(id) ?? []).slice(next - 1);
        for (const entry of entries) {
          next = entry.seq + 1;
          done = entry.event.type === 'end';
          yield { ...entry, more: entry !== entries.at(-1) };
          if (done) return;
        }
        await news.next();
      }
    } finally {
      if (!done) left.push(id);
    }
  }
  const streams: StreamFollower = {
    // By way of the object, so that a test which replaces `follow` sees these too.
    expect: (id) => ({ follow: (signal) => streams.follow(id, 1, signal), forget: () => {} }),
    follow,
    length: async (id) => written.get(id)?.length ?? 0,
    size: 0,
    close: async () => {},
  };
  const find = (id: string) => requests.find((request) => request.id === id);
  return {
    requests,
    cancelled,
    left,
    write,
    takeRedisAway: () => {
      away = true;
      for (const id of written.keys()) changes.emit(id);
    },
    record: (id) => {
      const request = find(id);
      const ended = written.get(id)?.at(-1)?.event.type === 'end';
      return request === undefined ? null : { ...toRecord(request), state: ended ? 'ended' : 'running' };
    },
    queue: {
      enqueue: async ({ request, idempotency }) => {
        reach();
        const earlier = idempotency && byKey.get(`${request.tenant} ${idempotency.key}`);
        if (earlier && earlier.bodyDigest !== idempotency?.bodyDigest) {
          throw new DomainError(
            'conflict',
            'This Idempotency-Key was already used with a different body. Use a new key for a new request.',
          );
        }
        if (earlier) return { id: earlier.id, repeated: true, position: 0 };
        if (idempotency) byKey.set(`${request.tenant} ${idempotency.key}`, { ...idempotency, id: request.id });
        requests.push(request);
        write(request.id, ...(script(request) ?? []));
        return { id: request.id, repeated: false, position: 0 };
      },
      cancel: async (id, tenant) => {
        if (find(id)?.tenant !== tenant)
          throw new DomainError('not_found', 'No stream has this id, or it has expired.');
        cancelled.push(id);
        return true;
      },
      positions: async (ids) => new Map(ids.map((id) => [id, { position: 3, waitMs: 4200 }])),
      close: async () => {},
    },
    streams,
  };
}

function toRecord({ id, model, tenant, createdAtMs, resumeSeconds }: GenerationRequest): GenerationRecord {
  return {
    id,
    model,
    tenant,
    queue: `${model}@${tenant}`,
    state: 'running',
    outcome: null,
    error: null,
    reservedTokens: 100,
    promptTokens: 5,
    completionTokens: 0,
    group: null,
    attempts: 1,
    resumeSeconds,
    enqueuedAtMs: createdAtMs,
    startedAtMs: null,
    firstTokenAtMs: null,
    endedAtMs: null,
  };
}
