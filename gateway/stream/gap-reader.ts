// Reads the gaps of many streams, many in one round trip, one round at a time. In: streams that want entries. Out: entries
// given to them.
import type { Redis } from 'ioredis';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import type { FollowedStream } from './followed-stream.ts';
import type { RawEntry } from './stream-buffer.ts';

const STREAMS_A_TRIP = 64;
const ENTRIES_A_RANGE = 64;

export class GapReader {
  readonly #redis: Redis;
  readonly #onProblem: (problem: unknown) => void;
  #wanting = new Set<FollowedStream>();
  #reading = false;

  constructor(redis: Redis, onProblem: (problem: unknown) => void) {
    this.#redis = redis;
    this.#onProblem = onProblem;
  }

  /** Schedules a read of the entries that the stream lacks, batched with other streams. */
  fill(stream: FollowedStream): void {
    if (stream.wanted === null) return;
    this.#wanting.add(stream);
    if (this.#reading) return;
    this.#reading = true;
    this.#readAll()
      .catch(this.#onProblem)
      .finally(() => {
        this.#reading = false;
      });
  }

  // Gaps that appear while a round is under way are the next round.
  async #readAll(): Promise<void> {
    while (this.#wanting.size > 0) {
      const round = [...this.#wanting];
      this.#wanting = new Set();
      for (let first = 0; first < round.length; first += STREAMS_A_TRIP) {
        await readRanges(this.#redis, round.slice(first, first + STREAMS_A_TRIP));
      }
      for (const stream of round) if (stream.wanted !== null) this.#wanting.add(stream);
    }
  }
}

async function readRanges(redis: Redis, streams: readonly FollowedStream[]): Promise<void> {
  const commands = redis.pipeline();
  for (const stream of streams) {
    commands.xrange(keyOf('out', stream.id), `${stream.wanted ?? 1}-0`, '+', 'COUNT', ENTRIES_A_RANGE);
  }
  const replies = (await askRedis(commands.exec())) ?? [];
  for (const [index, stream] of streams.entries()) {
    const [error, reply] = replies[index] ?? [null, []];
    if (error !== null) throw error;
    stream.read(parseEntries(reply));
  }
}

function parseEntries(reply: unknown): readonly RawEntry[] {
  const entries: unknown[] = Array.isArray(reply) ? reply : [];
  return entries.map((entry) => {
    const [id, fields] = Array.isArray(entry) ? entry : [];
    return { seq: Number.parseInt(String(id), 10), json: String(Array.isArray(fields) ? fields[1] : '') };
  });
}
