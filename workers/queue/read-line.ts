// Who is next, and what runs beside it: what a full group needs to know to decide whether an answer gives way. In: the fair
// counters in Redis. Out: a Line. Changes nothing.
import type { Redis } from 'ioredis';
import { runScript } from '../../infra/redis/scripts.ts';
import type { OwnedJobs } from './owned-jobs.ts';

/** A request that this group runs. */
export interface HeldJob {
  readonly id: string;
  readonly queue: string;
  readonly weight: number;
  /** Its queue's turn comes after that of the first in line. */
  readonly isLater: boolean;
}

export interface Line {
  readonly queue: string;
  readonly weight: number;
  /** In the order in which they were taken. */
  readonly held: readonly HeldJob[];
}

interface LineParts {
  readonly redis: Redis;
  readonly owned: OwnedJobs;
  readonly model: string;
}

/** See GenerationSource.readLine. */
export async function readLine({ redis, owned, model }: LineParts, waitingHere: string | null): Promise<Line | null> {
  const jobs = [...owned.jobs];
  const first = waitingHere === null ? '' : (owned.jobs.get(waitingHere) ?? '');
  const queues = [...new Set(owned.jobs.values())];
  const reply = await runScript(redis, 'read-line', [], [model, first, ...queues]);
  if (!Array.isArray(reply) || reply.length === 0) return null;
  const [queue, weight, ...beside] = reply;
  const held = jobs.map(([id, of]) => {
    const at = 2 * queues.indexOf(of);
    return { id, queue: of, weight: Number(beside[at]), isLater: Number(beside[at + 1]) === 1 };
  });
  return { queue: String(queue), weight: Number(weight), held };
}
