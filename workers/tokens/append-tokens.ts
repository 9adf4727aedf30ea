// The only writer of token streams. In: a batch of events of many requests. Out: entries `<seq>-0` without gaps in
// `cv:out:<id>`, written only under the group's lease. Keeps what it wrote in the last two seconds, to write it again when
// Redis comes back without it.
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { TokensEvent } from '../../infra/messages/token-event.ts';
import {
  type FinishReason,
  fenceText,
  finishGeneration,
  type WriterFence,
} from '../../infra/queue/finish-generation.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import { type EncodedEntry, RecentEntries } from './recent-entries.ts';

export interface TokenAppend {
  readonly id: string;
  /** Last entry of the stream + 1. */
  readonly seq: number;
  readonly event: TokensEvent;
}

export interface TokenWriter {
  /**
   * Appends a batch, in order, and publishes it. Several entries of one request may be in a batch. Waits for Redis when it
   * is away. Throws `fenced` when the lease is lost (of this batch nothing more is written). Returns the ids that may not
   * be written any more (cancelled, reaped, another group's, lost beyond repair): drop them.
   */
  append(batch: readonly TokenAppend[]): Promise<readonly string[]>;
  /** Writes the terminal entry as entry `seq`, settles and frees. False when the request had already ended. Throws `fenced`. */
  finish(id: string, seq: number, reason: FinishReason): Promise<boolean>;
  close(): Promise<void>;
}

export interface TokenWriterOptions {
  readonly url: string;
  /** Asked before every write; throws `fenced` when the lease is not held. */
  readonly fence: () => WriterFence;
  readonly onProblem?: (problem: unknown) => void;
  /** Monotonic clock in ms. */
  readonly now?: () => number;
}

/** Maximum number of entries per script call, which takes about 3 ms and blocks Redis meanwhile. */
const ENTRIES_A_SCRIPT = 400;
const UNREPAIRABLE: FinishReason = {
  outcome: 'failed',
  error: {
    code: 'generation_failed',
    message: 'The answer was interrupted and could not be continued. Send the request again.',
  },
  cachedTokens: 0,
};

/** Opens a writer over one connection. */
export function openTokenWriter(options: TokenWriterOptions): TokenWriter {
  const redis = connectRedis({ url: options.url, role: 'durable', name: 'tokens', retry: 'forever' });
  const writer = new StreamWriter(redis, options.fence, options.now ?? (() => performance.now()));
  // Redis may have lost its last second: look, whenever it comes back. A lost lease leaves the repair to the next leader.
  redis.on('ready', () => void writer.repair().catch(options.onProblem ?? (() => {})));
  return {
    append: (batch) => writer.append(batch),
    finish: (id, seq, reason) => writer.finish(id, seq, reason),
    close: async () => redis.disconnect(),
  };
}

class StreamWriter {
  readonly #redis: Redis;
  readonly #fence: () => WriterFence;
  readonly #recent: RecentEntries;

  constructor(redis: Redis, fence: () => WriterFence, now: () => number) {
    this.#redis = redis;
    this.#fence = fence;
    this.#recent = new RecentEntries(now);
  }

  async append(batch: readonly TokenAppend[]): Promise<readonly string[]> {
    const entries = batch.map((one) => encode(one));
    for (const entry of entries) this.#recent.add(entry);
    const dropped = new Set<string>();
    for (let first = 0; first < entries.length; first += ENTRIES_A_SCRIPT) {
      const problems = await this.#write(entries.slice(first, first + ENTRIES_A_SCRIPT));
      for (const id of await this.#solve(problems)) dropped.add(id);
    }
    for (const id of dropped) this.#recent.forget(id);
    this.#recent.prune(new Set(batch.map(({ id }) => id)));
    return [...dropped];
  }

  async finish(id: string, seq: number, reason: FinishReason): Promise<boolean> {
    const as = { by: 'writer', fence: this.#fence(), seq } as const;
    const result = await finishGeneration(this.#redis, id, reason, as);
    if (result.kind === 'behind' && (await this.#replay(id, result.lastSeq))) {
      await finishGeneration(this.#redis, id, reason, as);
    } else if (result.kind === 'behind') {
      await finishGeneration(this.#redis, id, UNREPAIRABLE, { ...as, seq: result.lastSeq + 1 });
    }
    this.#recent.ended(id, seq, reason);
    return result.kind !== 'already-ended';
  }

  /** Writes again what Redis lost of the last two seconds: entries, then ends. Throws `fenced`. */
  async repair(): Promise<void> {
    const ids = this.#recent.ids();
    if (ids.length === 0) return;
    const reply = await runScript(this.#redis, 'check-streams', [], ids);
    const lengths = Array.isArray(reply) ? reply.slice(1).map(Number) : [];
    for (const [index, id] of ids.entries()) {
      const last = lengths[index] ?? -1;
      if (last >= 0 && last < this.#recent.lastSeq(id)) await this.#repairOne(id, last);
    }
  }

  async #repairOne(id: string, last: number): Promise<void> {
    const end = this.#recent.endOf(id);
    if ((await this.#replay(id, last)) && end !== null) {
      await finishGeneration(this.#redis, id, end.reason, { by: 'writer', fence: this.#fence(), seq: end.seq });
    }
  }

  async #solve(problems: readonly Problem[]): Promise<readonly string[]> {
    const dropped = new Set<string>();
    for (const { id, why, lastSeq } of problems) {
      if (dropped.has(id)) continue;
      if (why === 'missing' && (await this.#replay(id, lastSeq))) continue;
      if (why !== 'ended') await this.#giveUp(id, lastSeq);
      dropped.add(id);
    }
    return [...dropped];
  }

  // Clients already have entries that are lost or would change, so the request must end with an error.
  async #giveUp(id: string, lastSeq: number): Promise<void> {
    await finishGeneration(this.#redis, id, UNREPAIRABLE, { by: 'writer', fence: this.#fence(), seq: lastSeq + 1 });
  }

  async #replay(id: string, lastSeq: number): Promise<boolean> {
    const missing = this.#recent.after(id, lastSeq);
    if (missing === null) return false;
    const problems = await this.#write(missing);
    return problems.length === 0;
  }

  async #write(entries: readonly EncodedEntry[]): Promise<readonly Problem[]> {
    if (entries.length === 0) return [];
    try {
      const fence = this.#fence();
      const parts = entries.flatMap(({ id, seq, tokens, json }) => [id, seq, tokens, json]);
      const scriptArgs = [fenceText(fence), fence.group, ...parts];
      const reply = await runScript(this.#redis, 'append-tokens', [keyOf('lease', fence.group)], scriptArgs);
      return parseProblems(entries, Array.isArray(reply) ? reply.map(Number) : []);
    } catch (thrown) {
      // The next leader goes on from what Redis has: this one must not fill it up, should it lead again.
      if (thrown instanceof DomainError && thrown.code === 'fenced') this.#recent.clear();
      throw thrown;
    }
  }
}

interface Problem {
  readonly id: string;
  readonly why: 'ended' | 'missing' | 'different';
  readonly lastSeq: number;
}

const WHY = ['ended', 'missing', 'different'] as const;

function parseProblems(entries: readonly EncodedEntry[], reply: readonly number[]): readonly Problem[] {
  const problems: Problem[] = [];
  for (let index = 0; index + 2 < reply.length; index += 3) {
    const entry = entries[Number(reply[index]) - 1];
    const why = WHY[Number(reply[index + 1])];
    if (entry !== undefined && why !== undefined)
      problems.push({ id: entry.id, why, lastSeq: Number(reply[index + 2]) });
  }
  return problems;
}

function encode(append: TokenAppend): EncodedEntry {
  const { id, seq, event } = append;
  return { id, seq, tokens: event.ids.length, json: JSON.stringify(event) };
}
