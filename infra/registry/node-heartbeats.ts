// Heartbeats of nodes at `cv:node:<id>`. In: a function that returns the node's current report. Out: the reports of all
// live nodes.
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { DomainError, toDomainError } from '../errors/domain-error.ts';
import { decodeHeld, encodeHeld } from '../messages/expert-ids.ts';
import { isAlive } from '../process/is-alive.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { repeatEvery } from '../timing/repeat-every.ts';

export interface NodeReport {
  readonly id: string;
  /** Random per process; a restarted process has lost its KV cache. */
  readonly incarnation: string;
  readonly group: string;
  /** The model name that clients use. */
  readonly model: string;
  readonly role: 'leader' | 'member';
  /** The node is shutting down and exits once no plan includes it. */
  readonly leaving: boolean;
  /** What the node waits for or refuses, in a sentence for operators; '' if nothing. */
  readonly waitsFor: string;
  readonly host: string;
  readonly pid: number;
  /** Version of this software. */
  readonly version: string;
  /** Increases with every report, so that a fresh report can be told from a stale one. */
  readonly beats: number;
  readonly backend: string;
  readonly startedAtMs: number;
  readonly holdings: NodeHoldings;
  /** Numbers for operators. */
  readonly stats: Readonly<Record<string, number>>;
}

/** What a node holds of the model, and its capacity. */
export interface NodeHoldings {
  /** SHA-256 of the checkpoint's files. */
  readonly modelHash: string;
  /** Format of most weights. */
  readonly dtype: string;
  /** Version of the packs. */
  readonly layoutVersion: number;
  /** Version of the protocol between nodes. */
  readonly protocol: number;
  /** Nodes of one class compute bit-identical results. */
  readonly numericsClass: string;
  /** Memory for weights and KV cache. */
  readonly memoryBytes: number;
  /** Configured maximum number of experts of each layer; null means as many as fit. */
  readonly maxExperts: number | null;
  /** Measured bandwidth when reading weights; 0 before the measurement. */
  readonly bytesPerSecond: number;
  readonly kvTokens: number;
  /** Experts of a layer: what ids count in; 0 for a dense model. */
  readonly expertsPerLayer: number;
  /** Ids of experts of layers (expert-ids.ts), ascending. */
  readonly experts: readonly number[];
  /** Holds attention, router and embeddings. */
  readonly shared: boolean;
  /** URL at which other nodes fetch its packs; null if it serves none. */
  readonly packsUrl: string | null;
  /** The Redis on which it receives frames; null for the group's. */
  readonly exchangeUrl: string | null;
  /** Digest of the canary's logits stored in this node's home; null if there is none. */
  readonly canary: string | null;
}

export interface Heartbeat {
  /** Publishes immediately, for instance after a role change. Throws `conflict` if another process has taken the id. */
  beat(): Promise<void>;
  /** Aborted when another process takes the id. */
  readonly displaced: AbortSignal;
  /** Stops and deletes the report, so that the node disappears immediately. */
  stop(): Promise<void>;
}

const INTERVAL_MS = 1_000;
/** A node whose key has expired is dead; the key survives two missed heartbeats. */
const LIVES_INTERVALS = 3;

/**
 * Publishes now and every `intervalMs` until stopped. Replaces the report of a dead process of this host immediately. Throws
 * `conflict`, naming host and process, if a live node uses this id.
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
      encodeReport(current),
      lifeMs,
      replaces,
    ]);
  };
  await claimId(redis, report(), intervalMs, beat);
  // A failed heartbeat is not retried: the next one follows, or the key expires.
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
    const known = text === null ? null : decodeReport(text);
    const dead = known !== null && known.host === hostname() && !isAlive(known.pid);
    try {
      return await beat(dead ? known.incarnation : '');
    } catch (thrown) {
      if (known === null || toDomainError(thrown).code !== 'conflict') throw thrown;
      if (tries > LIVES_INTERVALS) throw taken(known, thrown);
      // The report of a process that died on another host expires within LIVES_INTERVALS.
      await delay(intervalMs);
    }
  }
}

function taken({ id, pid, host }: NodeReport, cause: unknown): DomainError {
  const message = `The node id ${id} is in use by process ${pid} on ${host}. Stop that process, or start this node with another --node ID.`;
  return new DomainError('conflict', message, { param: 'node', cause });
}

function encodeReport(report: NodeReport): string {
  return JSON.stringify({ ...report, holdings: encodeHeld(report.holdings) });
}

function decodeReport(text: string): NodeReport {
  const report = JSON.parse(text);
  return { ...report, holdings: decodeHeld(report.holdings) };
}

/** All live nodes, sorted by id. */
export async function readNodes(redis: Redis): Promise<readonly NodeReport[]> {
  const ids = (await askRedis(redis.zrange(singleKeys.nodes, 0, '-1'))).sort();
  if (ids.length === 0) return [];
  const reports = await askRedis(redis.mget(ids.map((id) => keyOf('node', id))));
  return reports.flatMap((report) => (report === null ? [] : [decodeReport(report)]));
}
