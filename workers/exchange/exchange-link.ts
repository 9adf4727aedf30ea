// A node's connection to the others of its group. In: frames and step-log entries to write, the plan in force. Out: what
// the others wrote for this node. Writes and blocking reads have connections of their own; nothing waits for a write.
import type { Redis } from 'ioredis';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import { encodeFrameHeader, type LayerFrame, PIECE_BYTES, piecesOf } from '../../infra/messages/layer-frame.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { FrameAssembler } from './assemble-frames.ts';
import { frameSequence, stepPrefix } from './frame-id.ts';
import { broadcastStream, directStream, incomingStreams } from './frame-streams.ts';
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
  /** A whole frame of the member with that index in the plan in force. */
  readonly onFrame: (from: number, frame: LayerFrame) => void;
  /** A frame or log entry that is not well formed was dropped; `from` is null for the log. */
  readonly onBadEntry: (from: number | null, problem: unknown) => void;
  /** A read or write failed; reads are tried again. */
  readonly onProblem: (problem: unknown) => void;
}

/** Where frames go: a stream on one exchange. */
interface Route {
  readonly writer: Redis;
  readonly stream: string;
}

/** A stream that this node reads: whose frames it carries. */
interface Incoming {
  readonly from: number;
  readonly assembler: FrameAssembler;
}

/** Streams of nodes that are gone disappear after this long without a frame. */
const STREAM_TTL_MS = 600_000;
const RENEW_TTL_MS = 60_000;
const LOG_LENGTH = 16;

export class ExchangeLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #reader: StreamReader;
  readonly #logKey: string;
  readonly #writers = new Map<string, Redis>();
  readonly #incoming = new Map<string, Incoming>();
  /** Stream -> when its time to live was set, on the monotonic clock. */
  readonly #renewedAtMs = new Map<string, number>();
  #plan: GroupPlan | null = null;
  /** Under the plan in force: to all others, one for each exchange; and to single members, as far as used. */
  #toAll: readonly Route[] | null = null;
  readonly #toMember = new Map<number, Route>();
  /** What the ids of the latest step begin with. */
  #step = { epoch: -1, step: -1, prefix: '', before: '' };
  #bytesSent = 0;
  #framesSent = 0;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#logKey = keyOf('steps', options.group);
    const url = options.ownExchangeUrl ?? options.exchangeUrl;
    this.#reader = new StreamReader(
      connectRedis({ url, role: 'exchange', name: `frames:${options.nodeId}`, retry: 'forever' }),
      { onEntry: (stream, fields) => this.#onEntry(stream, fields), onProblem: events.onProblem },
    );
  }

  /** Reads the step log alone, from its beginning: what a node does that is in no plan. */
  followLog(): void {
    this.#incoming.clear();
    this.#reader.follow(new Map([[this.#logKey, null]]));
  }

  /**
   * Writes as member `me` of the plan from now on, and reads the step log; beside it the frames that the others write for
   * this member, unless another process reads those.
   */
  usePlan(plan: GroupPlan, me: number, readsFrames: boolean): void {
    this.#plan = plan;
    this.#toAll = null;
    this.#toMember.clear();
    this.#incoming.clear();
    const start = `${stepPrefix(plan.epoch, 0)}-0`;
    const streams = new Map<string, string | null>([[this.#logKey, null]]);
    for (const { key, from } of readsFrames ? incomingStreams(plan, me) : []) {
      this.#incoming.set(key, { from, assembler: new FrameAssembler() });
      streams.set(key, start);
    }
    this.#reader.follow(streams);
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

  /**
   * One copy of the frame for each exchange at which others read. `keptLayers` is how many layers before this one the
   * stream keeps, at least; -1 keeps all of this step and of the one before.
   */
  broadcast(frame: LayerFrame, keptLayers: number): void {
    this.#toAll ??= this.#routesToAll(this.#planInForce());
    for (const route of this.#toAll) this.#send(route, frame, keptLayers);
  }

  /** The frame for one member alone. */
  sendTo(member: number, frame: LayerFrame, keptLayers: number): void {
    const route = this.#toMember.get(member) ?? this.#routeTo(this.#planInForce(), member);
    this.#send(route, frame, keptLayers);
  }

  /** Since the link was opened. */
  sent(): { readonly frames: number; readonly bytes: number } {
    return { frames: this.#framesSent, bytes: this.#bytesSent };
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

  #planInForce(): GroupPlan {
    if (this.#plan === null) throw new TypeError('No plan is in force.');
    return this.#plan;
  }

  #routesToAll(plan: GroupPlan): readonly Route[] {
    const others = plan.members.filter(({ id }) => id !== this.#options.nodeId);
    const urls = new Set(others.map(({ exchangeUrl }) => exchangeUrl ?? this.#options.exchangeUrl));
    const stream = broadcastStream(plan, this.#options.nodeId);
    return [...urls].map((url) => ({ writer: this.#writerOf(url), stream }));
  }

  #routeTo(plan: GroupPlan, member: number): Route {
    const receiver = plan.members[member];
    if (receiver === undefined) throw new RangeError(`The plan has no member ${member}.`);
    const writer = this.#writerOf(receiver.exchangeUrl ?? this.#options.exchangeUrl);
    const route = { writer, stream: directStream(plan, this.#options.nodeId, receiver.id) };
    this.#toMember.set(member, route);
    return route;
  }

  #writerOf(url: string): Redis {
    const known = this.#writers.get(url);
    if (known !== undefined) return known;
    const name = `frames-out:${this.#options.nodeId}`;
    const writer = connectRedis({ url, role: 'exchange', name, retry: 'forever' });
    this.#writers.set(url, writer);
    return writer;
  }

  #send({ writer, stream }: Route, frame: LayerFrame, keptLayers: number): void {
    const { prefix, before } = this.#prefixes(frame);
    const keptFrom =
      keptLayers < 0 ? `${before}-0` : `${prefix}-${frameSequence(Math.max(-1, frame.layer - keptLayers), 0, 0)}`;
    const body = Buffer.from(frame.body.buffer, frame.body.byteOffset, frame.body.byteLength);
    const pieces = piecesOf(body.byteLength);
    for (let piece = 0; piece < pieces; piece += 1) {
      const id = `${prefix}-${frameSequence(frame.layer, frame.attempt, piece)}`;
      const chunk = pieces === 1 ? body : body.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
      const command = [stream, 'MINID', '=', keptFrom, id, 'h', encodeFrameHeader(frame, piece), 'b', chunk];
      writer.call('xadd', command).catch(this.#events.onProblem);
    }
    this.#framesSent += 1;
    this.#bytesSent += body.byteLength;
    this.#renewTtl(writer, stream);
  }

  #prefixes({ epoch, step }: LayerFrame): { readonly prefix: string; readonly before: string } {
    if (this.#step.epoch !== epoch || this.#step.step !== step) {
      const before = stepPrefix(epoch, Math.max(0, step - 1));
      this.#step = { epoch, step, prefix: stepPrefix(epoch, step), before };
    }
    return this.#step;
  }

  #renewTtl(writer: Redis, stream: string): void {
    const now = performance.now();
    if (now - (this.#renewedAtMs.get(stream) ?? Number.NEGATIVE_INFINITY) < RENEW_TTL_MS) return;
    this.#renewedAtMs.set(stream, now);
    writer.pexpire(stream, STREAM_TTL_MS).catch(this.#events.onProblem);
  }

  #onEntry(stream: string, fields: EntryFields): void {
    const incoming = this.#incoming.get(stream);
    try {
      if (incoming === undefined) this.#events.onLog(readLogEntry(fields));
      else this.#onPiece(incoming, fields);
    } catch (problem) {
      this.#events.onBadEntry(incoming?.from ?? null, problem);
    }
  }

  #onPiece({ from, assembler }: Incoming, fields: EntryFields): void {
    const [, header = Buffer.alloc(0), , chunk = Buffer.alloc(0)] = fields;
    const frame = assembler.add(header, chunk);
    if (frame !== null) this.#events.onFrame(from, frame);
  }
}
