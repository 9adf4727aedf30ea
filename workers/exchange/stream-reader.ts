// Reads streams of one Redis as they grow. In: a connection of its own, streams and where to start in each. Out: their
// entries, in order. Always has one blocking read waiting, so that an entry is here as soon as it is written.
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';

/** Alternating field names and values. */
export type EntryFields = readonly Buffer[];

export interface StreamReaderEvents {
  /** Must not throw. */
  readonly onEntry: (stream: string, fields: EntryFields) => void;
  readonly onProblem: (problem: unknown) => void;
}

/** A read is answered at least this often, with nothing if there is nothing. */
const BLOCK_MS = 2_000;
/** Without an answer for this long, the connection is considered dead, even if the system still has it open. */
const SILENT_MS = 4_000;
const RETRY_MS = 50;

type Reply = readonly (readonly [key: Buffer, entries: readonly (readonly [id: Buffer, fields: EntryFields])[]])[];

export class StreamReader {
  readonly #redis: Redis;
  readonly #events: StreamReaderEvents;
  /** Stream -> id of the entry read last. */
  #after = new Map<string, string>();
  #stopped = false;
  #running = false;
  #answeredAtMs = 0;
  #watching: Repeating | undefined;

  /** Takes the connection over: stop() ends it. */
  constructor(redis: Redis, events: StreamReaderEvents) {
    this.#redis = redis;
    this.#events = events;
  }

  /**
   * Reads these streams from now on, and only these: each after the id given, or, where that is null, after what has been
   * read of it so far. A read that waits already notices the change once one of its own streams has an entry.
   */
  follow(streams: ReadonlyMap<string, string | null>): void {
    const next = [...streams].map(([stream, after]) => [stream, after ?? this.#after.get(stream) ?? '0-0'] as const);
    this.#after = new Map(next);
    if (!this.#running) void this.#run();
    this.#running = true;
  }

  /** No entry is handed out after this. A read that waits for a Redis that is away is left alone: it may never end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    // On a busy machine a connection closed here has been seen reconnecting indefinitely, which kept its process alive.
    this.#redis.options.retryStrategy = () => null;
    this.#redis.disconnect();
    await this.#watching?.stop();
  }

  async #run(): Promise<void> {
    this.#answeredAtMs = performance.now();
    this.#watching = repeatEvery(BLOCK_MS / 2, async () => this.#checkAnswers(), this.#events.onProblem);
    while (!this.#stopped) {
      try {
        const reply = await this.#read();
        this.#answeredAtMs = performance.now();
        if (reply === null || this.#stopped) continue;
        this.#handOut(reply);
        // Lets the steps that waited for these entries run first, since reading more costs a system call.
        await new Promise(process.nextTick);
      } catch (problem) {
        if (this.#stopped) return;
        this.#events.onProblem(problem);
        await delay(RETRY_MS);
      }
    }
  }

  #read(): Promise<Reply | null> {
    const options = ['BLOCK', BLOCK_MS, 'STREAMS', ...this.#after.keys(), ...this.#after.values()];
    // By this name, in small letters, ioredis gives the reply of RESP 2.
    return this.#redis.callBuffer('xread', options) as Promise<Reply | null>;
  }

  #handOut(reply: Reply): void {
    for (const [key, entries] of reply) {
      const stream = key.toString();
      for (const [id, fields] of entries) {
        // An entry may have changed what is followed.
        if (!this.#after.has(stream)) break;
        this.#after.set(stream, id.toString());
        this.#events.onEntry(stream, fields);
      }
    }
  }

  #checkAnswers(): void {
    if (performance.now() - this.#answeredAtMs > SILENT_MS) this.#redis.disconnect(true);
  }
}
