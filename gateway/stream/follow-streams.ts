// Token streams into this process: one follower for thousands of requests over two connections. The writer pushes entries
// to this gateway's channel; gaps, slow consumers and resumed streams are read by range, many in one round trip. In:
// request id and the first seq wanted. Out: every entry once, in order. Must not know HTTP.
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { type BullmqQueues, bullmqQueues } from '../../infra/queue/bullmq-queues.ts';
import { removeJob } from '../../infra/queue/cancel-generation.ts';
import { startReaper } from '../../infra/queue/reap-generations.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { keyOf, singleKeys } from '../../infra/redis/keys.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import { repeatEvery } from '../../infra/timing/repeat-every.ts';
import { FollowedStream, type StreamEntry } from './followed-stream.ts';
import { GapReader } from './gap-reader.ts';

export type { StreamEntry } from './followed-stream.ts';

/** A stream that is kept from before its first entry. */
export interface ExpectedStream {
  /** As StreamFollower.follow, from the first entry. To be called once. */
  follow(signal?: AbortSignal): AsyncIterable<StreamEntry>;
  /** Instead of following: the request was not queued. */
  forget(): void;
}

export interface StreamFollower {
  /**
   * Announces a request that is about to be enqueued with this gateway as its follower. Its entries are buffered from now on,
   * so following it needs no round trip.
   */
  expect(id: string): ExpectedStream;
  /**
   * Yields entries of a request from `fromSeq` (1 is the first) up to and including the terminal one, at the consumer's pace.
   * A consumer that leaves early (break, return, or `signal` while waiting) is unregistered in Redis: if it was the last one,
   * the request is cancelled immediately, or after its resumeSeconds. Throws `not_found` if the request is unknown, and
   * `unavailable` if Redis lost the request, if its entries changed after a data loss, or if the follower is closed.
   */
  follow(id: string, fromSeq?: number, signal?: AbortSignal): AsyncIterable<StreamEntry>;
  /** Current number of entries of a stream, which is the seq of the last one. */
  length(id: string): Promise<number>;
  /** Number of streams being followed. */
  readonly size: number;
  /** Stops following; requests keep running and their clients have 30 s to come back elsewhere. */
  close(): Promise<void>;
}

export interface StreamFollowerOptions {
  readonly url: string;
  /** Unique per start of a process; no spaces. */
  readonly gatewayId: string;
  /** Called with failures of background work, which is retried; for the log. */
  readonly onProblem?: (problem: unknown) => void;
  /** Aborts waiting for Redis. */
  readonly giveUp?: AbortSignal;
}

const HEARTBEAT_MS = 5_000;
const POLL_MS = 1_000;
const STREAMS_A_LOOK = 500;
/** A request missing from Redis in this many consecutive polls was lost. */
const MISSED_POLLS_UNTIL_LOST = 5;

/** Starts following for a gateway: subscribes, and announces that the gateway lives. Waits for Redis, or gives up. */
export async function startStreamFollower(options: StreamFollowerOptions): Promise<StreamFollower> {
  const follower = new Follower(options);
  options.giveUp?.addEventListener('abort', () => void follower.close(), { once: true });
  await follower.start();
  return follower;
}

class Follower implements StreamFollower {
  readonly #gatewayId: string;
  readonly #commands: Redis;
  readonly #subscription: Redis;
  readonly #queues: BullmqQueues;
  readonly #onProblem: (problem: unknown) => void;
  readonly #streams = new Map<string, Set<FollowedStream>>();
  readonly #gaps: GapReader;
  readonly #leaving = new Set<string>();
  #background: readonly { stop(): Promise<void> }[] = [];

  constructor(options: StreamFollowerOptions) {
    const connect = (name: string) => connectRedis({ url: options.url, role: 'durable', name, retry: 'forever' });
    this.#gatewayId = options.gatewayId;
    this.#commands = connect('streams');
    this.#subscription = connect('streams-sub');
    this.#queues = bullmqQueues(this.#commands);
    this.#onProblem = options.onProblem ?? (() => {});
    this.#gaps = new GapReader(this.#commands, this.#onProblem);
  }

  get size(): number {
    return this.#streams.size;
  }

  async start(): Promise<void> {
    this.#subscription.on('message', (_channel: string, message: string) => this.#receive(message));
    await this.#subscription.subscribe(keyOf('toGateway', this.#gatewayId));
    await this.#beat();
    // What was published while the subscription was gone is lost; and Redis may have come back without its last second.
    this.#subscription.on('ready', () => void this.#look([...this.#all()]).catch(this.#onProblem));
    this.#background = [
      repeatEvery(HEARTBEAT_MS, () => this.#beat(), this.#onProblem),
      repeatEvery(POLL_MS, () => this.#checkSilentStreams(), this.#onProblem),
      startReaper({ redis: this.#commands, queues: this.#queues, onProblem: this.#onProblem }),
    ];
  }

  expect(id: string): ExpectedStream {
    const stream = new FollowedStream(id, 1);
    this.#add(stream);
    return {
      follow: (signal) => this.#entries(stream, async () => {}, signal),
      forget: () => this.#remove(stream),
    };
  }

  follow(id: string, fromSeq = 1, signal?: AbortSignal): AsyncIterable<StreamEntry> {
    const stream = new FollowedStream(id, fromSeq);
    return this.#entries(stream, () => this.#join(stream), signal);
  }

  async length(id: string): Promise<number> {
    const [length = 0] = await this.#lengths([id]);
    return Math.max(0, length);
  }

  async *#entries(
    stream: FollowedStream,
    join: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): AsyncIterable<StreamEntry> {
    const leave = (): void => stream.leave();
    signal?.addEventListener('abort', leave, { once: true });
    let ended = false;
    try {
      await join();
      if (signal?.aborted) return;
      for (let entry = await stream.next(); entry !== null; entry = await stream.next()) {
        ended = entry.event.type === 'end';
        yield entry;
        if (ended) return;
        this.#gaps.fill(stream);
      }
    } finally {
      signal?.removeEventListener('abort', leave);
      this.#part(stream, ended);
    }
  }

  async close(): Promise<void> {
    // Disconnecting first makes commands that wait for Redis fail, so that stopping cannot hang without it.
    this.#commands.disconnect();
    this.#subscription.disconnect();
    for (const stream of this.#all())
      stream.fail(
        new DomainError('unavailable', 'This gateway is shutting down. Resume the stream at another one, or retry.'),
      );
    await Promise.all(this.#background.map((task) => task.stop()));
    await this.#queues.close();
  }

  async #join(stream: FollowedStream): Promise<void> {
    this.#add(stream);
    // A pending retry of a leave would cancel the request of its new consumer.
    this.#leaving.delete(stream.id);
    const length = await runScript(
      this.#commands,
      'follow-stream',
      [keyOf('job', stream.id)],
      [stream.id, this.#gatewayId],
    );
    stream.observeLength(Number(length));
    this.#gaps.fill(stream);
  }

  #add(stream: FollowedStream): void {
    const others = this.#streams.get(stream.id) ?? new Set();
    this.#streams.set(stream.id, others.add(stream));
  }

  #remove(stream: FollowedStream): void {
    const others = this.#streams.get(stream.id);
    others?.delete(stream);
    if (others?.size === 0) this.#streams.delete(stream.id);
  }

  #part(stream: FollowedStream, ended: boolean): void {
    this.#remove(stream);
    if (this.#streams.has(stream.id) || ended || stream.failed) return;
    this.#leaving.add(stream.id);
    this.#cancelIfAbandoned(stream.id).catch(this.#onProblem);
  }

  // Kept in #leaving until Redis has recorded it: the reaper does not cancel requests of a live gateway.
  async #cancelIfAbandoned(id: string): Promise<void> {
    const reply = await runScript(this.#commands, 'leave-stream', [keyOf('job', id)], [id, this.#gatewayId]);
    this.#leaving.delete(id);
    const [done, queue] = Array.isArray(reply) ? reply.map(String) : [];
    if (done === 'removed') await removeJob(this.#queues, String(queue), id);
  }

  #receive(message: string): void {
    const lines = message.split('\n');
    for (let index = 0; index + 2 < lines.length; index += 3) {
      const entry = { seq: Number(lines[index + 1]), json: String(lines[index + 2]) };
      for (const stream of this.#streams.get(String(lines[index])) ?? []) {
        stream.push(entry);
        this.#gaps.fill(stream);
      }
    }
  }

  async #beat(): Promise<void> {
    await runScript(this.#commands, 'mark-alive', [singleKeys.gateways], [this.#gatewayId, 0]);
  }

  async #checkSilentStreams(): Promise<void> {
    for (const id of this.#leaving) await this.#cancelIfAbandoned(id);
    const quiet = [...this.#all()].filter((stream) => !stream.active);
    for (const stream of this.#all()) stream.active = false;
    await this.#look(quiet);
  }

  async #look(streams: readonly FollowedStream[]): Promise<void> {
    for (let first = 0; first < streams.length; first += STREAMS_A_LOOK) {
      const some = streams.slice(first, first + STREAMS_A_LOOK);
      const lengths = await this.#lengths(some.map(({ id }) => id));
      for (const [index, stream] of some.entries()) this.#observe(stream, lengths[index] ?? -1);
    }
  }

  /** -1 for an unknown request. */
  async #lengths(ids: readonly string[]): Promise<readonly number[]> {
    const reply = await runScript(this.#commands, 'check-streams', [], ids);
    return Array.isArray(reply) ? reply.slice(1).map(Number) : [];
  }

  #observe(stream: FollowedStream, length: number): void {
    stream.missing = length < 0 ? stream.missing + 1 : 0;
    if (length >= 0) stream.observeLength(length);
    this.#gaps.fill(stream);
    if (stream.missing >= MISSED_POLLS_UNTIL_LOST)
      stream.fail(new DomainError('unavailable', 'Redis lost this request. Send it again.'));
  }

  *#all(): Iterable<FollowedStream> {
    for (const streams of this.#streams.values()) yield* streams;
  }
}
