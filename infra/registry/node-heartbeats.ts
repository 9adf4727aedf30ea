// `cv:node:<id>`: what a node says about itself while it lives. In: a report, asked for before each publication. Out: the
// reports of all living nodes.
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { DomainError, toDomainError } from '../errors/domain-error.ts';
import { isAlive } from '../process/is-alive.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { repeatEvery } from '../timing/repeat-every.ts';

export interface NodeReport {
  readonly id: string;
  /** Random, of the process: what it holds beside weights ends with it. */
  readonly incarnation: string;
  readonly group: string;
  /** Name that clients use. */
  readonly model: string;
  readonly role: 'leader' | 'member';
  /** It ends as soon as no plan counts on it. */
  readonly leaving: boolean;
  /** What it waits for or refuses, in a sentence for operators; '' when all is well. */
  readonly waitsFor: string;
  readonly host: string;
  readonly pid: number;
  /** Version of this software. */
  readonly version: string;
  /** Grows with every report: tells a sign of life from what a node said before it fell silent. */
  readonly beats: number;
  readonly backend: string;
  readonly startedAtMs: number;
  readonly holdings: NodeHoldings;
  /** Numbers for operators. */
  readonly stats: Readonly<Record<string, number>>;
}

/** What of the model a node holds, and what it could. */
export interface NodeHoldings {
  /** SHA-256 of the checkpoint's files. */
  readonly modelHash: string;
  /** Storage type of the weights. */
  readonly dtype: string;
  /** Version of the packs, which is the kernels'. */
  readonly layoutVersion: number;
  /** Version of what nodes say to one another. */
  readonly protocol: number;
  /** Results have the same bits within one class. */
  readonly numericsClass: string;
  /** Memory for weights and KV. */
  readonly memoryBytes: number;
  /** Experts it is to hold at most, by its configuration; null: as many as fit. */
  readonly maxExperts: number | null;
  /** Bytes of weights that it reads in a second, measured; 0 before that. */
  readonly bytesPerSecond: number;
  readonly kvTokens: number;
  /** Ids, ascending. */
  readonly experts: readonly number[];
  /** Attention, router and embeddings. */
  readonly shared: boolean;
  /** Where other nodes get its packs; null when it gives none. */
  readonly packsUrl: string | null;
  /** The Redis to which others write its frames; null: the group's. */
  readonly exchangeUrl: string | null;
  /** Digest of the canary's logits by this node's home; null when it knows none. */
  readonly canary: string | null;
}

export interface Heartbeat {
  /** Publishes at once, for instance after a change of role. Throws `conflict` when another process has taken the id. */
  beat(): Promise<void>;
  /** Aborted when another process has taken the id. */
  readonly displaced: AbortSignal;
  /** Stops and takes the report back, so that the node is gone at once. */
  stop(): Promise<void>;
}

const INTERVAL_MS = 1_000;
/** A node whose key is gone counts as dead; the key outlives two lost heartbeats. */
const LIVES_INTERVALS = 3;

/**
 * Publishes now and every `intervalMs` until stopped. Throws `conflict` naming host and process when another node lives
 * under this id; one that is known to be dead, a process of this host that has ended, is replaced at once.
 */
export async function startHeartbeat(
  redis: Redis,
  report: () => NodeReport,
  intervalMs = INTERVAL_MS,
): Promise<Heartbeat> {
  const displaced = new AbortController();
  const lifeMs = intervalMs * LIVES_INTERVALS;
  const beat = async (replaces = ''): Promise<void> => {
    const current = report();
    const keys = [keyOf('node', current.id), singleKeys.nodes];
    await runScript(redis, 'beat-node', keys, [
      current.id,
      current.incarnation,
      JSON.stringify(current),
      lifeMs,
      replaces,
    ]);
  };
  await claimId(redis, report(), intervalMs, beat);
  // A heartbeat that fails is followed by the next one; what matters is that the key runs out.
  const beating = repeatEvery(
    intervalMs,
    () => beat(),
    (problem) => {
      if (toDomainError(problem).code === 'conflict') displaced.abort();
    },
  );
  return {
    beat: () => beat(),
    displaced: displaced.signal,
    stop: async () => {
      await beating.stop();
      const { id, incarnation } = report();
      await runScript(redis, 'leave-node', [keyOf('node', id), singleKeys.nodes], [id, incarnation]);
    },
  };
}

async function claimId(
  redis: Redis,
  mine: NodeReport,
  intervalMs: number,
  beat: (replaces?: string) => Promise<void>,
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const text = await askRedis(redis.get(keyOf('node', mine.id)));
    const known: NodeReport | null = text === null ? null : JSON.parse(text);
    const dead = known !== null && known.host === hostname() && !isAlive(known.pid);
    try {
      return await beat(dead ? known.incarnation : '');
    } catch (thrown) {
      if (known === null || toDomainError(thrown).code !== 'conflict') throw thrown;
      if (tries > LIVES_INTERVALS) throw taken(known, thrown);
      // One that died on another host is gone when its report has run out.
      await delay(intervalMs);
    }
  }
}

function taken({ id, pid, host }: NodeReport, cause: unknown): DomainError {
  const message = `The node id ${id} is taken: process ${pid} on ${host} runs under it. Start this node with another --node ID.`;
  return new DomainError('conflict', message, { param: 'node', cause });
}

/** All living nodes, by id. */
export async function readNodes(redis: Redis): Promise<readonly NodeReport[]> {
  const ids = (await askRedis(redis.zrange(singleKeys.nodes, 0, '-1'))).sort();
  if (ids.length === 0) return [];
  const reports = await askRedis(redis.mget(ids.map((id) => keyOf('node', id))));
  return reports.flatMap((report) => (report === null ? [] : [JSON.parse(report)]));
}
