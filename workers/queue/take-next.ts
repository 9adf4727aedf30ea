// Takes one job, fairly: a script picks the queue and charges it, BullMQ hands out that queue's next job under the group's
// lock, a second script starts it. What fails in between gives the pick back; a crash leaves it to be refunded.
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { BullmqQueues, JobData } from '../../infra/queue/bullmq-queues.ts';
import { fenceText, finishGeneration, type WriterFence } from '../../infra/queue/finish-generation.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import type { TakenGeneration } from './generation-source.ts';
import type { OwnedJobs } from './owned-jobs.ts';

export interface TakeParts {
  readonly redis: Redis;
  readonly queues: BullmqQueues;
  readonly owned: OwnedJobs;
  readonly model: string;
  readonly group: string;
  readonly fence: () => WriterFence;
}

/** A pick can come to nothing (its job was cancelled meanwhile); so many in a row, and the caller waits for work instead. */
const EMPTY_PICKS = 8;

const STALLED_TOO_OFTEN = {
  outcome: 'failed',
  error: { code: 'generation_failed', message: 'The request lost its worker twice.' },
  cachedTokens: 0,
} as const;

/** See GenerationSource.takeNext. */
export async function takeNext(parts: TakeParts): Promise<TakenGeneration | null> {
  for (let attempt = 0; attempt < EMPTY_PICKS; attempt += 1) {
    const pick = parts.owned.nextPickId(parts.fence());
    const queue = await pickQueue(parts, pick);
    if (queue === null) return null;
    const taken = await takeFrom(parts, queue, pick);
    if (taken !== null) return taken;
  }
  return null;
}

async function pickQueue(parts: TakeParts, pick: string): Promise<string | null> {
  const { model } = parts;
  const scriptKeys = [keyOf('fair', model), keyOf('ready', model), keyOf('picks', model)];
  const queue = await runScript(parts.redis, 'pick-queue', scriptKeys, [model, pick]);
  return typeof queue === 'string' ? queue : null;
}

async function takeFrom(parts: TakeParts, queue: string, pick: string): Promise<TakenGeneration | null> {
  const job = await parts.queues.worker(queue).getNextJob(parts.owned.token, { block: false });
  if (job?.id === undefined) {
    await refundPick(parts, pick);
    return null;
  }
  if (job.deferredFailure) {
    await refundPick(parts, pick);
    await failStalled(parts, queue, job, job.id);
    return null;
  }
  return start(parts, queue, job, job.id, pick);
}

async function start(
  parts: TakeParts,
  queue: string,
  job: Job<JobData>,
  id: string,
  pick: string,
): Promise<TakenGeneration | null> {
  try {
    const started = await startGeneration(parts, id, pick);
    parts.owned.add(queue, job);
    if (started === null) await parts.owned.done(id, null);
    return started;
  } catch (thrown) {
    // The lease went to another process of this group: the lock has the same token, so it would be kept for ever.
    if (thrown instanceof DomainError && thrown.code === 'fenced') await job.moveToWait(parts.owned.token);
    throw thrown;
  }
}

async function startGeneration(parts: TakeParts, id: string, pick: string): Promise<TakenGeneration | null> {
  const reply = await runScript(
    parts.redis,
    'start-generation',
    [keyOf('lease', parts.group), keyOf('job', id), keyOf('request', id)],
    [fenceText(parts.fence()), parts.group, parts.model, pick, id],
  );
  const [kind, request, lastSeq, cancelled, attempt] = Array.isArray(reply) ? reply : [];
  if (kind !== 1) return null;
  return {
    request: JSON.parse(String(request)),
    lastSeq: Number(lastSeq),
    cancelled: cancelled === 1,
    attempt: Number(attempt),
  };
}

async function failStalled(parts: TakeParts, queue: string, job: Job<JobData>, id: string): Promise<void> {
  await finishGeneration(parts.redis, id, STALLED_TOO_OFTEN, { by: 'reaper' });
  parts.owned.add(queue, job);
  await parts.owned.done(id, STALLED_TOO_OFTEN.error.message);
}

async function refundPick(parts: TakeParts, pick: string): Promise<void> {
  await runScript(parts.redis, 'refund-picks', [keyOf('picks', parts.model)], [parts.model, pick, 0]);
}
