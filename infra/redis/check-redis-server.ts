// Checks that a Redis server is configured suitably for its role. In: a connection and the role. Out: warnings, or `bad_config`
// for settings that would lose data or not work at all. Changes nothing on the server.
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import type { RedisRole } from './redis-role.ts';

/** The facts from INFO that are checked. */
export interface RedisServerFacts {
  readonly version: string;
  readonly clusterEnabled: boolean;
  readonly maxmemoryPolicy: string;
  readonly appendOnly: boolean;
}

const OLDEST = [6, 2] as const;

/**
 * Checks the server: Redis >= 6.2 (or Valkey), no Cluster, maxmemory-policy noeviction, and an append-only file for the
 * durable role. Throws `bad_config` for settings that cannot work; returns the rest as warnings, sentences for operators.
 */
export async function checkRedisServer(redis: Redis, role: RedisRole): Promise<readonly string[]> {
  return judgeRedisServer(readFacts(await redis.info()), role);
}

/** The pure half of checkRedisServer. */
export function judgeRedisServer(facts: RedisServerFacts, role: RedisRole): readonly string[] {
  if (facts.clusterEnabled) {
    throw refuse(
      'is a Redis Cluster, which does not support our multi-key scripts. Use a standalone Redis: scale by groups, gateways and one Redis per model',
    );
  }
  if (isOlder(facts.version))
    throw refuse(`has version ${facts.version}. Expected Redis ${OLDEST.join('.')} or newer, or Valkey`);
  if (facts.maxmemoryPolicy !== 'noeviction') {
    throw refuse(
      `has maxmemory-policy ${facts.maxmemoryPolicy} and would silently drop requests. Set it to noeviction`,
    );
  }
  if (role === 'durable' && !facts.appendOnly) {
    return ['The durable Redis has appendonly off: a restart loses every queued request. Set appendonly yes.'];
  }
  if (role === 'exchange' && facts.appendOnly) {
    return ['The exchange Redis writes an append-only file, which adds latency to every frame. Set appendonly no.'];
  }
  return [];
}

/** Parses the output of INFO. Throws `bad_config` if the server is not Redis. */
export function readFacts(info: string): RedisServerFacts {
  const fields = new Map(info.split(/\r?\n/).map((line) => splitOnce(line)));
  const version = fields.get('redis_version');
  if (version === undefined) throw refuse('answers INFO without redis_version. Expected Redis or Valkey');
  return {
    version,
    clusterEnabled: fields.get('cluster_enabled') === '1',
    maxmemoryPolicy: fields.get('maxmemory_policy') ?? 'noeviction',
    appendOnly: fields.get('aof_enabled') === '1',
  };
}

function splitOnce(line: string): [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1)];
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function refuse(why: string): DomainError {
  return new DomainError('bad_config', `The Redis server ${why}.`);
}
