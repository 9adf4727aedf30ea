// Rewrites the append-only file of the durable Redis by time. The file holds every command until Redis rewrites it, so the
// prompts of requests that ended long ago lie on the disk until it has grown to 256 MB. Any number of processes may run
// this on one Redis: a key with an expiry lets one of them act in each interval.
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import { type Repeating, repeatEvery } from '../timing/repeat-every.ts';
import { singleKeys } from './keys.ts';
import { askRedis } from './script-errors.ts';

export interface RewriteOptions {
  readonly redis: Redis;
  /** Time between two rewrites, > 0. */
  readonly everyMs: number;
  /** For the log: a rewrite failed, or Redis permits none. */
  readonly onProblem: (problem: unknown) => void;
}

/** How often processes look whether an interval is over. */
const LONGEST_LOOK_MS = 60_000;
const NOT_PERMITTED = /^(NOPERM|ERR unknown command)/;

/** Rewrites in the background until stopped, or until Redis refuses the command. */
export function startRewriting(options: RewriteOptions): Repeating {
  let permitted = true;
  const look = async () => {
    if (permitted) permitted = await rewriteIfDue(options);
  };
  return repeatEvery(Math.min(LONGEST_LOOK_MS, options.everyMs), look, options.onProblem);
}

/** Starts a rewrite when one is due and nothing is in the way; false when Redis does not permit it. */
export async function rewriteIfDue({ redis, everyMs, onProblem }: RewriteOptions): Promise<boolean> {
  try {
    const facts = readPersistence(await askRedis(redis.info('persistence')));
    if (!isWorthRewriting(facts)) return true;
    const claimed = await askRedis(redis.set(singleKeys.rewriting, '1', 'PX', Math.ceil(everyMs), 'NX'));
    if (claimed === null) return true;
    if (facts.lastFailed) onProblem(new DomainError('unavailable', FAILED));
    await askRedis(redis.bgrewriteaof());
    return true;
  } catch (thrown) {
    if (!(thrown instanceof Error && NOT_PERMITTED.test(thrown.message))) throw thrown;
    onProblem(new DomainError('unavailable', REFUSED, { cause: thrown }));
    return false;
  }
}

const FAILED =
  'The last rewrite of the append-only file failed, usually for lack of disk space or memory: see the log of Redis.';
const REFUSED =
  'Redis does not permit INFO or BGREWRITEAOF: prompts stay in its append-only file until it is rewritten. Permit them, or ' +
  'rewrite the file by other means and set appendOnlyRewriteSeconds to 0.';

/** State of the append-only file, from INFO. */
export interface Persistence {
  readonly appendOnly: boolean;
  /** A rewrite or a snapshot is running, or scheduled. */
  readonly busy: boolean;
  /** Bytes, and bytes just after the last rewrite. */
  readonly size: number;
  readonly baseSize: number;
  readonly lastFailed: boolean;
}

/** Something was appended since the last rewrite, and no other writing of all data is under way. */
export function isWorthRewriting({ appendOnly, busy, size, baseSize }: Persistence): boolean {
  return appendOnly && !busy && size > baseSize;
}

/** Reads the section `persistence` of INFO. */
export function readPersistence(info: string): Persistence {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '0';
  const running = ['aof_rewrite_in_progress', 'aof_rewrite_scheduled', 'rdb_bgsave_in_progress', 'loading'];
  return {
    appendOnly: field('aof_enabled') === '1',
    busy: running.some((name) => field(name) !== '0'),
    size: Number(field('aof_current_size')),
    baseSize: Number(field('aof_base_size')),
    lastFailed: field('aof_last_bgrewrite_status') === 'err',
  };
}
