// Source of work for one group: takes the next job by fair share, renews its lock, returns jobs. Used by the group's leader
// only. Must not decide whether a request fits: the caller keeps one that does not.
import { bullmqQueues } from '../../infra/queue/bullmq-queues.ts';
import type { WriterFence } from '../../infra/queue/finish-generation.ts';
import { startReaper } from '../../infra/queue/reap-generations.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { AssignedJobs } from './assigned-jobs.ts';
import { startQueueMaintenance } from './maintain-queues.ts';
import { OwnedJobs } from './owned-jobs.ts';
import { type Line, readLine } from './read-line.ts';
import { recoverGenerations } from './recover-generations.ts';
import { takeNext } from './take-next.ts';
import type { TakenGeneration } from './taken-generation.ts';
import { WakeSignal } from './wake-signal.ts';

export interface GenerationSource {
  /**
   * The next request, or null if none waits in a queue that is not paused. The caller owns it, and either finishes it (token
   * writer, then `done`) or releases it. Jobs that stalled too often are ended as failed and not returned. Throws `fenced` if
   * the lease is lost, never `unavailable`: it waits for Redis. `waits`: the group is idle, so the next request is handed to it
   * when it is enqueued, and `waitForWork` resolves.
   */
  takeNext(waits: boolean): Promise<TakenGeneration | null>;
  /** Stops taking work, and returns jobs that were handed over but not taken. Throws `fenced`. */
  refuse(): Promise<void>;
  /** Marks the job as completed, or as failed with a reason; call it after the terminal entry was written. */
  done(id: string, failedReason: string | null): Promise<void>;
  /** Returns a request to the front of its queue, for instance at shutdown; another group continues it. Throws `fenced`. */
  release(id: string): Promise<void>;
  /**
   * The next in line beside all that this group owns; null if no request waits. `waitingHere`: a request that was taken and waits
   * for room, which is then the next. Never throws `unavailable`.
   */
  readLine(waitingHere: string | null): Promise<Line | null>;
  /** What this group already owns, for a new leader; its locks are taken over. */
  recover(): Promise<readonly TakenGeneration[]>;
  /** True if new work may have arrived since the last call of this or of `waitForWork`. Needs no round trip. */
  heardOfWork(): boolean;
  /** Settles when there may be work (a job was added or a queue resumed), at the latest after `timeoutMs`. */
  waitForWork(timeoutMs: number): Promise<void>;
  /** Stops renewing locks and closes connections; jobs keep their locks until these expire. */
  close(): Promise<void>;
}

export interface GenerationSourceOptions {
  readonly url: string;
  readonly model: string;
  readonly group: string;
  /** Asked before everything that claims or keeps a job; throws `fenced` when the lease is not held. */
  readonly fence: () => WriterFence;
  /** Failures of background work, which is tried again; for the log. */
  readonly onProblem?: (problem: unknown) => void;
}

/** Opens the source of a group over two connections. Renews locks, finds jobs of dead groups and reaps until closed. */
export function openGenerationSource(options: GenerationSourceOptions): GenerationSource {
  const redis = connectRedis({ url: options.url, role: 'durable', name: 'source', retry: 'forever' });
  const queues = bullmqQueues(redis);
  const onProblem = options.onProblem ?? (() => {});
  const owned = new OwnedJobs(redis, queues, options.group, options.fence);
  const channels = { wake: keyOf('wake', options.model), given: keyOf('given', options.group) };
  const wake = new WakeSignal(options.url, channels);
  const parts = { redis, queues, owned, model: options.model, group: options.group, fence: options.fence };
  const given = new AssignedJobs(parts, wake);
  const background = [
    owned.startRenewing(onProblem),
    startQueueMaintenance({ redis, queues, model: options.model, onProblem }),
    startReaper({ redis, queues, onProblem }),
  ];
  return {
    takeNext: async (waits) => (await given.next()) ?? takeNext(parts, waits),
    refuse: () => given.refuse(),
    done: (id, failedReason) => owned.done(id, failedReason),
    release: (id) => owned.release(id),
    readLine: (waitingHere) => readLine(parts, waitingHere),
    recover: () => recoverGenerations(parts, true),
    heardOfWork: () => wake.take(),
    waitForWork: (timeoutMs) => wake.wait(timeoutMs),
    close: async () => {
      // Disconnecting first makes commands that wait for Redis fail, so that stopping cannot hang without it.
      redis.disconnect();
      wake.close();
      await Promise.all(background.map((task) => task.stop()));
      await queues.close();
    },
  };
}
