// `cv:routing:<model>`: how often the router chose each expert, for placement, planner and the operators' heat map. In: the
// leader's decayed counts. Out: the same counts.
import type { Redis } from 'ioredis';
import { keyOf } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';

export interface RoutingRecord {
  readonly layers: number;
  readonly experts: number;
  /** Rows that each expert was given, old ones counting less: [layers, experts], flat. */
  readonly counts: readonly number[];
  /** Unix time in milliseconds. */
  readonly writtenAtMs: number;
}

/** Replaces the record of the model. Counts are rounded to a tenth of a row. */
export async function writeRoutingCounts(redis: Redis, model: string, record: RoutingRecord): Promise<void> {
  const counts = record.counts.map((count) => Math.round(count * 10) / 10);
  await askRedis(redis.set(keyOf('routing', model), JSON.stringify({ ...record, counts })));
}

/** The record of the model; null if there is none. */
export async function readRoutingCounts(redis: Redis, model: string): Promise<RoutingRecord | null> {
  const text = await askRedis(redis.get(keyOf('routing', model)));
  return text === null ? null : JSON.parse(text);
}
