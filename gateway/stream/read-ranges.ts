// Reads the gaps of many streams, some per round trip. In: streams that want entries. Out: entries given to them.
import type { Redis } from 'ioredis';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import type { FollowedStream } from './followed-stream.ts';
import type { RawEntry } from './stream-buffer.ts';

const STREAMS_A_TRIP = 64;
const ENTRIES_A_RANGE = 64;

/** One range of every stream that wants one. */
export async function readRanges(redis: Redis, streams: readonly FollowedStream[]): Promise<void> {
  for (let first = 0; first < streams.length; first += STREAMS_A_TRIP) {
    await readSome(redis, streams.slice(first, first + STREAMS_A_TRIP));
  }
}

async function readSome(redis: Redis, streams: readonly FollowedStream[]): Promise<void> {
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
