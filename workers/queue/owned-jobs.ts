// The BullMQ jobs that this group holds: renews their locks under the token `group:<g>`, finishes them, gives them back.
// Must not write token streams.
import { Job, UnrecoverableError } from 'bullmq';
import type { Redis } from 'ioredis';
import type { BullmqQueues } from '../../infra/queue/bullmq-queues.ts';
import { wakeQueue } from '../../infra/queue/control-queues.ts';
import { fenceText, type WriterFence } from '../../infra/queue/finish-generation.ts';
import { JOB_NAME, JOB_OPTIONS, LOCK_MS, LOCK_TOKEN } from '../../infra/redis/bullmq-scripts.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';

export class OwnedJobs {
  /** BullMQ's lock token. */
  readonly token: string;
  readonly #redis: Redis;
  readonly #queues: BullmqQueues;
  readonly #group: string;
  readonly #fence: () => WriterFence;
  /** Queue by job id. */
  readonly #jobs = new Map<string, string>();

  constructor(redis: Redis, queues: BullmqQueues, group: string, fence: () => WriterFence) {
    this.#redis = redis;
    this.#queues = queues;
    this.#group = group;
    this.#fence = fence;
    this.token = `${LOCK_TOKEN}${group}`;
  }

  /** Queue by job id, in the order in which they were taken. */
  get jobs(): ReadonlyMap<string, string> {
    return this.#jobs;
  }

  has(id: string): boolean {
    return this.#jobs.has(id);
  }

  /** Takes a locked job over. */
  add(queue: string, id: string): void {
    this.#jobs.set(id, queue);
  }

  /** Renews all locks every third of their life, as long as the lease is held. */
  startRenewing(onProblem: (problem: unknown) => void): Repeating {
    return repeatEvery(LOCK_MS / 3, async () => void (await this.renew()), onProblem);
  }

  /** Renews all locks; jobs whose lock is gone are no longer ours. Returns their ids. Throws `fenced`. */
  async renew(): Promise<readonly string[]> {
    this.#fence();
    const byQueue = new Map<string, string[]>();
    for (const [id, queue] of this.#jobs) byQueue.set(queue, [...(byQueue.get(queue) ?? []), id]);
    const lost = await Promise.all([...byQueue].map(([queue, ids]) => this.#extend(queue, ids)));
    for (const id of lost.flat()) this.#jobs.delete(id);
    return lost.flat();
  }

  /** See GenerationSource.done. */
  async done(id: string, failedReason: string | null): Promise<void> {
    const job = this.#letGo(id);
    if (job === null) return;
    await ifStillLocked(
      failedReason === null
        ? job.moveToCompleted(null, this.token, false)
        : job.moveToFailed(new UnrecoverableError(failedReason), this.token, false),
    );
  }

  /** See GenerationSource.release. */
  async release(id: string): Promise<void> {
    const job = this.#letGo(id);
    if (job === null) return;
    await runScript(
      this.#redis,
      'release-generation',
      [keyOf('lease', this.#group), keyOf('job', id)],
      [fenceText(this.#fence()), this.#group, id],
    );
    await ifStillLocked(job.moveToWait(this.token));
    await wakeQueue(this.#redis, job.queueName);
  }

  /** The job as BullMQ's class, good for moving it: what it carries is in Redis. */
  #letGo(id: string): Job | null {
    const queue = this.#jobs.get(id);
    this.#jobs.delete(id);
    return queue === undefined ? null : new Job(this.#queues.queue(queue), JOB_NAME, {}, JOB_OPTIONS, id);
  }

  #extend(queue: string, ids: string[]): Promise<readonly string[]> {
    const tokens = ids.map(() => this.token);
    return this.#queues.worker(queue).getBackend().extendLocks(ids, tokens, LOCK_MS);
  }
}

// Without our lock, the job has already returned to its queue, where another group continues it or finds that it has ended.
async function ifStillLocked(move: Promise<unknown>): Promise<void> {
  try {
    await move;
  } catch (thrown) {
    if (!isLockLost(thrown)) throw thrown;
  }
}

// BullMQ's codes: -1 no such job, -2 no lock, -3 not active, -6 another's lock.
function isLockLost(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && [-1, -2, -3, -6].includes(Number(thrown.code));
}
