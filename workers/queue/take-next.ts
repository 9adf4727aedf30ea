// Takes the next job in one round trip. The script selects the queue by fair share, takes its next job as BullMQ would,
// locks it for the group, charges the tenant and returns the request.
import type { Redis } from 'ioredis';
import { readStoredRequest } from '../../infra/messages/generation-request.ts';
import type { BullmqQueues } from '../../infra/queue/bullmq-queues.ts';
import { fenceText, finishGeneration, type WriterFence } from '../../infra/queue/finish-generation.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import type { OwnedJobs } from './owned-jobs.ts';
import type { TakenGeneration } from './taken-generation.ts';

export interface TakeParts {
  readonly redis: Redis;
  readonly queues: BullmqQueues;
  readonly owned: OwnedJobs;
  readonly model: string;
  readonly group: string;
  readonly fence: () => WriterFence;
}

/** Limit of consecutive jobs whose request was cancelled meanwhile; after that the caller waits for work. */
const EMPTY_TAKES = 8;

const STALLED_TOO_OFTEN = {
  outcome: 'failed',
  error: {
    code: 'generation_failed',
    message:
      'The worker died twice while it ran this request. Retry; if it fails again, tell the operator the request id.',
  },
  cachedTokens: 0,
} as const;

/** See GenerationSource.takeNext. `waits`: if there is no job, register the group to be handed the next one. */
export async function takeNext(parts: TakeParts, waits = false): Promise<TakenGeneration | null> {
  for (let attempt = 0; attempt < EMPTY_TAKES; attempt += 1) {
    const job = await take(parts, waits);
    if (Number(job[0]) === 0) return null;
    const taken = await acceptJob(parts, job);
    if (taken !== null) return taken;
  }
  return null;
}

/** Accepts a job as returned by the script. Null if there is none, or if it was cancelled or stalled and has been settled. */
export async function acceptJob(parts: TakeParts, job: readonly unknown[]): Promise<TakenGeneration | null> {
  const [kind, queue, id, ...taken] = job;
  if (Number(kind) === 0) return null;
  parts.owned.add(String(queue), String(id));
  if (Number(kind) === 1) return parseTaken(taken);
  if (Number(kind) === 3) await failStalled(parts, String(id));
  else await parts.owned.done(String(id), null);
  return null;
}

async function take({ redis, model, group, fence }: TakeParts, waits: boolean): Promise<readonly unknown[]> {
  const scriptArgs = [fenceText(fence()), group, model, waits ? 1 : 0];
  const reply = await runScript(redis, 'take-generation', [keyOf('lease', group)], scriptArgs);
  return Array.isArray(reply) ? reply : [0];
}

function parseTaken([more, request, lastSeq, cancelled, attempt]: readonly unknown[]): TakenGeneration {
  return {
    request: readStoredRequest(String(request)),
    lastSeq: Number(lastSeq),
    cancelled: Number(cancelled) === 1,
    attempt: Number(attempt),
    moreWait: Number(more) > 0,
  };
}

async function failStalled(parts: TakeParts, id: string): Promise<void> {
  await finishGeneration(parts.redis, id, STALLED_TOO_OFTEN, { by: 'reaper' });
  await parts.owned.done(id, STALLED_TOO_OFTEN.error.message);
}
