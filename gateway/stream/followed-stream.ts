// A stream on its way to one consumer: the buffer, and the consumer that waits for it. In: entries and failures. Out: an
// async iteration in order. Must not know Redis.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { TokenEvent } from '../../infra/messages/token-event.ts';
import { type RawEntry, StreamBuffer } from './stream-buffer.ts';

export interface StreamEntry {
  readonly seq: number;
  readonly event: TokenEvent;
  /** True when the next entry is there already: both came together. */
  readonly more: boolean;
}

export class FollowedStream {
  readonly id: string;
  /** Looks in a row that found no such request. */
  missing = 0;
  /** True when entries came since the last look. */
  active = false;
  readonly #buffer: StreamBuffer;
  #failure: DomainError | null = null;
  #waiting: (() => void) | null = null;
  #left = false;

  constructor(id: string, from: number) {
    this.id = id;
    this.#buffer = new StreamBuffer(from);
  }

  /** True after fail(), when the stream ended without the consumer leaving. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  get wanted(): number | null {
    return this.#failure === null ? this.#buffer.wanted : null;
  }

  push(entry: RawEntry): void {
    this.active = true;
    this.#buffer.push(entry);
    this.#wake();
  }

  read(entries: readonly RawEntry[]): void {
    this.#buffer.read(entries);
    this.#wake();
  }

  observeLength(length: number): void {
    this.#buffer.observeLength(length);
  }

  /** Ends the iteration with an error, after what is already buffered. */
  fail(failure: DomainError): void {
    this.#failure ??= failure;
    this.#wake();
  }

  /** Ends the iteration without an error: the consumer is gone. */
  leave(): void {
    this.#left = true;
    this.#wake();
  }

  /** Next entry, or null when the consumer left. Throws the failure, or `unavailable` when the stream changed under it. */
  async next(): Promise<StreamEntry | null> {
    for (;;) {
      if (this.#left) return null;
      if (this.#buffer.diverged)
        throw new DomainError(
          'unavailable',
          'The answer changed after Redis lost data, so it was stopped. Send the request again.',
        );
      const entry = this.#buffer.take();
      if (entry !== null) return { seq: entry.seq, event: JSON.parse(entry.json), more: this.#buffer.hasNext };
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }
}
