// A node's part in its group's step log, and its failures to others. In: log entries and failures to write. Out: what the log has.
// Frames are the native side's business (native/exchange). Writes and blocking reads have connections of their own.
import type { Redis } from 'ioredis';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { afterLayers, stepPrefix } from './frame-id.ts';
import { directStream } from './frame-streams.ts';
import { type LogEntry, logFields, readLogEntry } from './step-log.ts';
import { type EntryFields, StreamReader } from './stream-reader.ts';

export interface LinkOptions {
  readonly group: string;
  readonly nodeId: string;
  /** The group's exchange. */
  readonly exchangeUrl: string;
  /** The exchange that others write to for this node; null: the group's. */
  readonly ownExchangeUrl: string | null;
}

export interface LinkEvents {
  readonly onLog: (entry: LogEntry) => void;
  /** An entry that is not well formed was dropped, a read is tried again, or a failure could not be written. */
  readonly onProblem: (problem: unknown) => void;
}

/** Why a member cannot go on with a step, for another member. */
export interface MemberFailure {
  readonly step: number;
  /** Of the model. */
  readonly layers: number;
  readonly text: string;
}

/** As the streams of the native side (native/exchange/frame-exchange.cc), whose reader tells a failure by its field. */
const STREAM_TTL_MS = 600_000;
const FAILURE_FIELD = 'failure';
const LOG_LENGTH = 16;

export class ExchangeLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #reader: StreamReader;
  readonly #logKey: string;
  readonly #writers = new Map<string, Redis>();

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#logKey = keyOf('steps', options.group);
    const url = options.ownExchangeUrl ?? options.exchangeUrl;
    this.#reader = new StreamReader(
      connectRedis({ url, role: 'exchange', name: `frames:${options.nodeId}`, retry: 'forever' }),
      { onEntry: (_, fields) => this.#onEntry(fields), onProblem: events.onProblem },
    );
  }

  /** Reads the step log from its beginning. */
  followLog(): void {
    this.#reader.follow(new Map([[this.#logKey, null]]));
  }

  /** Writes a plan or step to the log of every exchange among `urls`. Rejects when one of them does not take it. */
  async appendLog(entry: LogEntry, urls: ReadonlySet<string>): Promise<void> {
    const { epoch, step, field, payload } = logFields(entry);
    const id = `${stepPrefix(epoch, step)}-1`;
    const command = [this.#logKey, 'MAXLEN', LOG_LENGTH, id, field, payload];
    await Promise.all([...urls].map((url) => this.#writerOf(url).call('xadd', command)));
  }

  /** The exchanges at which the plan's members read. */
  exchangesOf(plan: GroupPlan): ReadonlySet<string> {
    return new Set(plan.members.map(({ exchangeUrl }) => exchangeUrl ?? this.#options.exchangeUrl));
  }

  /** Tells one member of the plan; nothing waits for it. */
  reportFailure(plan: GroupPlan, member: number, { step, layers, text }: MemberFailure): void {
    const receiver = plan.members[member];
    if (receiver === undefined) throw new RangeError(`The plan has no member ${member}.`);
    const writer = this.#writerOf(receiver.exchangeUrl ?? this.#options.exchangeUrl);
    const stream = directStream(plan, this.#options.nodeId, receiver.id);
    const prefix = stepPrefix(plan.epoch, step);
    const id = `${prefix}-${afterLayers(layers)}`;
    const command = [stream, 'MINID', '=', `${prefix}-0`, id, FAILURE_FIELD, text];
    writer.call('xadd', command).catch(this.#events.onProblem);
    writer.pexpire(stream, STREAM_TTL_MS).catch(this.#events.onProblem);
  }

  /** Whether every exchange in use answers within `ms`. */
  async answers(ms: number): Promise<boolean> {
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, ms, false).unref());
    const pings = Promise.all([...this.#writers.values()].map((writer) => writer.ping())).then(
      () => true,
      () => false,
    );
    return Promise.race([pings, late]);
  }

  async close(): Promise<void> {
    await this.#reader.stop();
    for (const writer of this.#writers.values()) writer.disconnect();
  }

  #writerOf(url: string): Redis {
    const known = this.#writers.get(url);
    if (known !== undefined) return known;
    const name = `frames-out:${this.#options.nodeId}`;
    const writer = connectRedis({ url, role: 'exchange', name, retry: 'forever' });
    this.#writers.set(url, writer);
    return writer;
  }

  #onEntry(fields: EntryFields): void {
    try {
      this.#events.onLog(readLogEntry(fields));
    } catch (problem) {
      this.#events.onProblem(problem);
    }
  }
}
