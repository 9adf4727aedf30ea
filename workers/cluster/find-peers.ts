// Finds nodes that serve packs. In: the reports of a group's nodes. Out: their addresses, and the token that they require.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { singleKeys } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { type NodeReport, readNodes } from '../../infra/registry/node-heartbeats.ts';
import type { FindPeers } from '../pack/fetch-pack.ts';
import type { PackId } from '../pack/pack-format.ts';

/** Finds nodes of a group other than `nodeId`. */
export function findPeersIn(redis: Redis, group: string, nodeId: string): FindPeers {
  return async (pack) => {
    const [nodes, token] = await Promise.all([readNodes(redis), readPackToken(redis)]);
    const others = nodes.filter((node) => node.group === group && node.id !== nodeId && holds(node, pack));
    return { urls: others.flatMap(({ holdings }) => holdings.packsUrl ?? []), token };
  };
}

/** The secret that nodes of one Redis share; made by the first one. */
export async function readPackToken(redis: Redis): Promise<string> {
  await askRedis(redis.setnx(singleKeys.packToken, randomBytes(24).toString('hex')));
  return (await askRedis(redis.get(singleKeys.packToken))) ?? '';
}

function holds({ holdings }: NodeReport, pack: PackId | null): boolean {
  if (pack === null) return true;
  return pack === 'shared' ? holdings.shared : holdings.experts.includes(pack);
}
