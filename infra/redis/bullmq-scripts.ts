// The text of BullMQ's own Lua scripts, as functions that a script of ours can call: a job is added, or taken, in the same
// atomic step as what belongs to it (decision 0045). BullMQ's version is pinned; a test holds what its scripts do, called from
// ours, against what its classes do.
import { createRequire } from 'node:module';

/** Name of every job. */
export const JOB_NAME = 'generate';
const DAY_SECONDS = 24 * 3_600;
/** Options of every job; the most recently ended ones of a queue stay on the board for a day. */
export const JOB_OPTIONS = {
  attempts: 1,
  removeOnComplete: { count: 100, age: DAY_SECONDS },
  removeOnFail: { count: 1_000, age: DAY_SECONDS },
} as const;

/** A lock lives this long without renewal: how long a dead group's jobs stay its own. */
export const LOCK_MS = 15_000;
/** BullMQ's lock token is this and the group, so that a new leader inherits the locks. */
export const LOCK_TOKEN = 'group:';

/** Entries that a queue's event stream keeps. */
export const QUEUE_EVENTS = 100;

/** Scripts that ours call, with their numbers of keys. */
const SCRIPTS: Readonly<Record<string, number>> = { addStandardJob: 9, moveToActive: 11 };

/**
 * A Lua function `bullmq_<name>(KEYS, ARGV)` whose body is BullMQ's script.
 * Throws TypeError when this BullMQ has no such script with the keys that we know.
 */
export function bullmqFunction(name: string): string {
  const numberOfKeys = SCRIPTS[name];
  const file = `bullmq/dist/cjs/scripts/${name}-${numberOfKeys}.js`;
  const script = Reflect.get(createRequire(import.meta.url)(file), name);
  const { content, keys } = script ?? {};
  if (typeof content !== 'string' || keys !== numberOfKeys) {
    throw new TypeError(`Expected the script ${name} with ${numberOfKeys} keys in ${file}`);
  }
  return `local function bullmq_${name}(KEYS, ARGV)\n${content}\nend -- ${name}\n`;
}
