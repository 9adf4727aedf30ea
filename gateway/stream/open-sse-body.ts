// The body of an event stream: pulls entries at the socket's pace and writes what they become. In: entries, an encoder.
// Out: bytes while a client reads. A client that disconnects aborts `entries`, which notifies the queue.
//
// Memory is bounded: while the reader is busy, encoded text gathers up to MAX_PENDING characters, then nothing more is taken
// from the entries, whose cursor stays in Redis.
import type { ReadableStreamDefaultController, UnderlyingSource } from 'node:stream/web';
import { DomainError, toDomainError } from '../../infra/errors/domain-error.ts';
import type { StreamEntry } from './follow-streams.ts';
import type { StreamFormat } from './stream-format.ts';

const MAX_PENDING = 16_384;
const encoder = new TextEncoder();

export interface SseBodyOptions {
  /** Entries until the terminal one; aborting the signal leaves the stream. */
  readonly entries: (signal: AbortSignal) => AsyncIterable<StreamEntry>;
  readonly format: StreamFormat;
  /** Idle time in ms after which a keep-alive `comment` is sent. */
  readonly keepAliveMs: number;
  readonly comment: () => Promise<string>;
  /** Longest life of this connection. */
  readonly timeoutMs: number;
  /** Called once, with the error that ended the stream early, if any. */
  readonly onEnd: (error: DomainError | undefined) => void;
}

/** Opens the body. Entries are followed from now on, also before the first read. */
export function openSseBody(options: SseBodyOptions): ReadableStream<Uint8Array> {
  const body = new SseBody(options);
  // With a high-water mark of 0, bytes are pulled only when the socket can take them.
  return new ReadableStream<Uint8Array>(body, { highWaterMark: 0 });
}

class SseBody implements UnderlyingSource<Uint8Array> {
  readonly #options: SseBodyOptions;
  readonly #left = new AbortController();
  #pending = '';
  #ended = false;
  /** The reader disconnected: nothing can be delivered any more. */
  #gone = false;
  /** Set while the reader waits for bytes. */
  #deliver: (() => void) | undefined;
  /** Set while the pump waits for the reader. */
  #resumePump: (() => void) | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: SseBodyOptions) {
    this.#options = options;
  }

  start(): void {
    const { keepAliveMs, timeoutMs } = this.#options;
    this.#keepAlive = setInterval(() => void this.#showLife(), keepAliveMs);
    this.#deadline = setTimeout(() => this.#leave(timedOut()), timeoutMs);
    const { opening = '' } = this.#options.format;
    this.#write(opening, false);
    void this.#pump();
  }

  /** Resolves once bytes were given: the stream does not pull again before. */
  pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> | void {
    if (this.#gone || this.#give(controller)) return;
    return new Promise((resolve) => {
      this.#deliver = () => {
        if (this.#give(controller)) resolve();
      };
    });
  }

  cancel(): void {
    this.#gone = true;
    this.#deliver = undefined;
    this.#leave(new DomainError('cancelled', 'The client disconnected.'));
  }

  /** Also wakes a pump that waits for a read that may never come. */
  #leave(reason: DomainError): void {
    this.#left.abort(reason);
    this.#resumePump?.();
  }

  #give(controller: ReadableStreamDefaultController<Uint8Array>): boolean {
    if (this.#pending === '' && !this.#ended) return false;
    this.#deliver = undefined;
    if (this.#pending !== '') controller.enqueue(encoder.encode(this.#pending));
    this.#pending = '';
    if (this.#ended) controller.close();
    this.#resumePump?.();
    return true;
  }

  async #pump(): Promise<void> {
    const { signal } = this.#left;
    try {
      await this.#takeEntries(signal);
      this.#end(undefined);
    } catch (error) {
      this.#end(toDomainError(signal.aborted ? signal.reason : error));
    }
  }

  /** Rejects unless the terminal entry was reached: a stream must never just stop. */
  async #takeEntries(signal: AbortSignal): Promise<void> {
    for await (const entry of this.#options.entries(signal)) {
      const text = this.#options.format.encode(entry);
      // Not awaited unless it must be: an await per entry costs a turn of the loop.
      this.#write(typeof text === 'string' ? text : await text, entry.more);
      if (entry.event.type === 'end') return;
      if (this.#pending.length > MAX_PENDING) await this.#readerTookAll();
      signal.throwIfAborted();
    }
    throw new DomainError('internal', 'The token stream ended without a terminal entry.');
  }

  #end(failure: DomainError | undefined): void {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#deadline);
    this.#ended = true;
    if (failure !== undefined) this.#pending += this.#options.format.failure(failure);
    this.#deliver?.();
    this.#options.onEnd(failure);
  }

  /** What comes together is delivered together: each delivery wakes the socket, and the client. */
  #write(text: string, more: boolean): void {
    this.#pending += text;
    const waits = more && this.#pending.length <= MAX_PENDING;
    if (waits || this.#pending === '') return;
    this.#keepAlive?.refresh();
    this.#deliver?.();
  }

  #readerTookAll(): Promise<void> {
    return new Promise((resolve) => {
      this.#resumePump = resolve;
      if (this.#left.signal.aborted) resolve();
    });
  }

  /** Only towards a reader that waits: one that is busy would find the comments of an hour. */
  async #showLife(): Promise<void> {
    if (this.#deliver === undefined) return;
    const comment = await this.#options.comment().catch(() => 'alive');
    if (!this.#ended && this.#deliver !== undefined) this.#write(this.#options.format.alive(comment), false);
  }
}

/** Why an answer ends that took too long. */
export function timedOut(): DomainError {
  return new DomainError(
    'timeout',
    'The answer took longer than this server allows. Lower max_tokens, or retry when it is less busy.',
  );
}
