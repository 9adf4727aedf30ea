// `cv:node:<id>`: what a node says about itself while it lives. In: a report, asked for before each publication. Out: the
// reports of all living nodes.
import type { Redis } from 'ioredis';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { repeatEvery } from '../timing/repeat-every.ts';

export interface NodeReport {
  readonly id: string;
  readonly group: string;
  readonly model: string;
  readonly role: 'leader' | 'member';
  readonly host: string;
  readonly pid: number;
  /** Version of this software. */
  readonly version: string;
  readonly backend: string;
  readonly startedAtMs: number;
  /** Numbers for operators, for instance memory, slots, experts held. */
  readonly stats: Readonly<Record<string, number>>;
}

export interface Heartbeat {
  /** Publishes at once, for instance after a change of role. */
  beat(): Promise<void>;
  /** Stops and takes the report back, so that the node is gone at once. */
  stop(): Promise<void>;
}

const INTERVAL_MS = 1_000;
/** A node whose key is gone counts as dead; the key outlives two lost heartbeats. */
const LIVES_INTERVALS = 3;

/** Publishes now and every `intervalMs` until stopped. */
export function startHeartbeat(redis: Redis, report: () => NodeReport, intervalMs = INTERVAL_MS): Heartbeat {
  const lifeMs = intervalMs * LIVES_INTERVALS;
  const beat = async (): Promise<void> => {
    const current = report();
    await askRedis(redis.set(keyOf('node', current.id), JSON.stringify(current), 'PX', lifeMs));
    await runScript(redis, 'mark-alive', [singleKeys.nodes], [current.id, lifeMs]);
  };
  // A heartbeat that fails is followed by the next one; what matters is that the key runs out.
  const ignore = (): void => {};
  beat().catch(ignore);
  const beating = repeatEvery(intervalMs, beat, ignore);
  return {
    beat,
    stop: async () => {
      await beating.stop();
      const { id } = report();
      await askRedis(Promise.all([redis.del(keyOf('node', id)), redis.zrem(singleKeys.nodes, id)]));
    },
  };
}

/** All living nodes, by id. */
export async function readNodes(redis: Redis): Promise<readonly NodeReport[]> {
  const ids = (await askRedis(redis.zrange(singleKeys.nodes, 0, '-1'))).sort();
  if (ids.length === 0) return [];
  const reports = await askRedis(redis.mget(ids.map((id) => keyOf('node', id))));
  return reports.flatMap((report) => (report === null ? [] : [JSON.parse(report)]));
}
