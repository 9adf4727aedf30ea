// Plans of groups in Redis: `cv:plan:<group>` is the current one, `cv:plans:<group>` their history, `cv:placement:<group>` the
// target placement. In and out: values. Decides nothing.
import type { Redis } from 'ioredis';
import { decodeHeld, encodeHeld } from '../messages/expert-ids.ts';
import { decodePlan, encodePlan, type GroupPlan } from '../messages/group-plan.ts';
import { fenceText, type WriterFence } from '../queue/finish-generation.ts';
import { keyOf } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';

/** Target placement of one node. */
export interface DesiredHoldings {
  readonly id: string;
  /** Ids of experts of layers (expert-ids.ts), ascending. */
  readonly experts: readonly number[];
  readonly shared: boolean;
}

export interface Placement {
  readonly modelHash: string;
  /** By id, ascending. */
  readonly nodes: readonly DesiredHoldings[];
}

/** Plans that the history keeps. */
const HISTORY_LENGTH = 200;

/**
 * Puts a plan in force and returns it with its epoch, which is above `seenEpoch` and all before it. Throws `fenced` when the
 * lease is another's.
 */
export async function publishPlan(
  redis: Redis,
  fence: WriterFence,
  plan: Omit<GroupPlan, 'epoch'>,
  seenEpoch: number,
): Promise<GroupPlan> {
  const { group } = fence;
  const keys = [keyOf('lease', group), keyOf('epoch', group), keyOf('plan', group), keyOf('plans', group)];
  const args = [fenceText(fence), seenEpoch, encodePlan(plan), HISTORY_LENGTH];
  return { ...plan, epoch: Number(await runScript(redis, 'publish-plan', keys, args)) };
}

/** The plan in force; null before the first one. */
export async function readPlan(redis: Redis, group: string): Promise<GroupPlan | null> {
  const plan = await askRedis(redis.get(keyOf('plan', group)));
  return plan === null ? null : decodePlan(plan);
}

/** The last plans of a group, newest first. */
export async function readPlanHistory(redis: Redis, group: string, count: number): Promise<readonly GroupPlan[]> {
  const entries = await askRedis(redis.xrevrange(keyOf('plans', group), '+', '-', 'COUNT', count));
  return entries.map(([, [, plan = '']]) => decodePlan(plan));
}

/** Publishes the target placement. The last write wins: the new leader replaces that of its predecessor. */
export async function publishPlacement(redis: Redis, group: string, placement: Placement): Promise<void> {
  const text = JSON.stringify({ ...placement, nodes: placement.nodes.map(encodeHeld) });
  await askRedis(redis.set(keyOf('placement', group), text));
}

/** The target placement of a group; null before its first leader. */
export async function readPlacement(redis: Redis, group: string): Promise<Placement | null> {
  const text = await askRedis(redis.get(keyOf('placement', group)));
  if (text === null) return null;
  const placement = JSON.parse(text);
  return { ...placement, nodes: placement.nodes.map(decodeHeld) };
}
