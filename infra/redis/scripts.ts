// Lua scripts: one file each, `lua/<verb-noun>-<number of keys>.lua`. They are read once per process from the package folder
// (dist/ contains compiled TypeScript only), registered on every connection and called by name. `-- @include x` inserts
// lua/includes/x.lua. Out: the script's reply, or a DomainError for a negative reply (script-errors.ts).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { PACKAGE_ROOT } from '../package-facts.ts';
import { bullmqFunction, JOB_NAME, JOB_OPTIONS, LOCK_MS, LOCK_TOKEN, QUEUE_EVENTS } from './bullmq-scripts.ts';
import { LARGEST_COUNTER, MAX_WEIGHT, MIN_WEIGHT, REBASE_ABOVE } from './fair-limits.ts';
import { ENDED_LIST_LENGTH, ENDED_TTL_MS, prefixes, REQUEST_TTL_MS, singleKeys } from './keys.ts';
import { asRedisError, throwIfErrorCode } from './script-errors.ts';

/** Names of all scripts, without the number of keys. A test compares this list with the folder. */
export const SCRIPT_NAMES = [
  'acquire-lease',
  'admit-generation',
  'append-tokens',
  'beat-node',
  'cancel-generation',
  'check-streams',
  'delete-file',
  'delete-response',
  'finish-generation',
  'follow-stream',
  'inherit-generations',
  'leave-node',
  'leave-stream',
  'list-generations',
  'mark-alive',
  'move-batch',
  'publish-plan',
  'read-credential',
  'read-line',
  'read-positions',
  'read-responses',
  'reap-gateways',
  'reap-generations',
  'reap-orphans',
  'record-batch-line',
  'release-generation',
  'release-lease',
  'renew-lease',
  'repair-counters',
  'set-weight',
  'store-batch',
  'store-file',
  'store-response',
  'take-generation',
  'wake-queues',
  'write-tenant',
] as const;

export type ScriptName = (typeof SCRIPT_NAMES)[number];
export type ScriptArgument = string | number;

interface ScriptSource {
  readonly numberOfKeys: number;
  readonly lua: string;
}

type ScriptCall = (...parts: readonly ScriptArgument[]) => Promise<unknown>;

/** Registers every script on a connection. ioredis calls them by hash, and sends the source if the server lacks it. */
export function registerScripts(redis: Redis): Redis {
  for (const [name, source] of readScripts()) redis.defineCommand(commandName(name), source);
  return redis;
}

/** Runs a script. Throws the DomainError of a negative reply, or `unavailable` if Redis does not answer. */
export async function runScript(
  redis: Redis,
  name: ScriptName,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<unknown> {
  try {
    return throwIfErrorCode(await scriptOf(redis, name, keys)(...keys, ...args));
  } catch (thrown) {
    throw asRedisError(thrown);
  }
}

/** Converts a hash as returned by a script, alternating names and values. */
export function toHash(reply: unknown): Record<string, string> {
  const parts: unknown[] = Array.isArray(reply) ? reply : [];
  const hash: Record<string, string> = {};
  for (let at = 0; at + 1 < parts.length; at += 2) hash[String(parts[at])] = String(parts[at + 1]);
  return hash;
}

/** Source and number of keys of every script, with includes resolved. Throws TypeError for a misnamed file or unknown name. */
export function readScripts(): ReadonlyMap<string, ScriptSource> {
  cached ??= new Map(
    readdirSync(luaFolder())
      .filter((file) => file.endsWith('.lua'))
      .map((file) => readScript(file)),
  );
  return cached;
}

let cached: ReadonlyMap<string, ScriptSource> | undefined;

function readScript(file: string): [string, ScriptSource] {
  const match = /^([a-z-]+)-(\d+)\.lua$/.exec(file);
  if (match === null) throw new TypeError(`Expected <verb-noun>-<number of keys>.lua but found lua/${file}`);
  const own = readFileSync(join(luaFolder(), file), 'utf8').replace(/^-- @include (\S+)$/gm, (_line, name) =>
    readFileSync(join(luaFolder(), 'includes', `${name}.lua`), 'utf8'),
  );
  const lua = writeNames(own, file).replace(/^-- @bullmq (\S+)$/gm, (_line, name) => bullmqFunction(name));
  return [String(match[1]), { numberOfKeys: Number(match[2]), lua }];
}

// Scripts derive keys from ids stored in Redis, so they use the names of keys.ts as well. The names are substituted as
// literals because a Lua table would be rebuilt on every call.
function writeNames(lua: string, file: string): string {
  return lua.replace(/\b([PKL])\.(\w+)/g, (_whole, table: string, name: string) => {
    const value = Reflect.get(NAMES[table] ?? {}, name);
    if (value === undefined)
      throw new TypeError(`Unknown name ${table}.${name} in lua/${file}: define it in keys.ts or scripts.ts`);
    return JSON.stringify(value);
  });
}

const NAMES: Readonly<Record<string, object>> = {
  P: prefixes,
  K: singleKeys,
  L: {
    requestTtlMs: REQUEST_TTL_MS,
    endedTtlMs: ENDED_TTL_MS,
    endedList: ENDED_LIST_LENGTH,
    minWeight: MIN_WEIGHT,
    maxWeight: MAX_WEIGHT,
    rebaseAbove: REBASE_ABOVE,
    largestCounter: LARGEST_COUNTER,
    jobName: JOB_NAME,
    jobOptions: JSON.stringify(JOB_OPTIONS),
    queueEvents: QUEUE_EVENTS,
    lockMs: LOCK_MS,
    lockToken: LOCK_TOKEN,
  },
};

function luaFolder(): string {
  return join(PACKAGE_ROOT, 'infra', 'redis', 'lua');
}

function commandName(name: string): string {
  return `conclave:${name}`;
}

// ioredis adds a method per defined command, which its types do not include; only this function looks them up.
function scriptOf(redis: Redis, name: ScriptName, keys: readonly string[]): ScriptCall {
  const expected = readScripts().get(name)?.numberOfKeys;
  if (expected !== keys.length)
    throw new TypeError(`Expected ${expected} keys for ${name} but received ${keys.length}`);
  const call: unknown = Reflect.get(redis, commandName(name));
  if (typeof call !== 'function') throw new TypeError(`${name} is not registered on this connection`);
  return (...parts) => Reflect.apply(call, redis, parts);
}
