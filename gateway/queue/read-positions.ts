// Where waiting requests stand, for keep-alive comments. In: request ids. Out: place and estimated wait of those that wait.
import type { Redis } from 'ioredis';
import { estimateWaitMs, parseDispatchRate } from '../../infra/queue/estimate-wait.ts';
import { runScript } from '../../infra/redis/scripts.ts';

export interface QueuePlace {
  /** Requests of the same tenant and model ahead; 0 is next. */
  readonly position: number;
  /** Estimated ms until it starts; null while no rate was measured. */
  readonly waitMs: number | null;
}

/** One round trip for all ids; ids that do not wait are left out. */
export async function readPositions(redis: Redis, ids: readonly string[]): Promise<ReadonlyMap<string, QueuePlace>> {
  if (ids.length === 0) return new Map();
  const reply = await runScript(redis, 'read-positions', [], ids);
  const parts = Array.isArray(reply) ? reply : [];
  const places = ids.map((id, index) => [id, toPlace(parts.slice(index * 3, index * 3 + 3))] as const);
  return new Map(places.flatMap(([id, place]) => (place === null ? [] : [[id, place] as const])));
}

function toPlace([ahead, gap, idle]: readonly unknown[]): QueuePlace | null {
  const position = Number(ahead);
  if (position < 0) return null;
  return { position, waitMs: estimateWaitMs(position, parseDispatchRate(gap, idle)) };
}
