// Follows a group that another node leads, until the lease is free.
import { setTimeout as delay } from 'node:timers/promises';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import { readPlan } from '../../infra/registry/group-plans.ts';
import { readNodes } from '../../infra/registry/node-heartbeats.ts';
import { refusalReason } from '../cluster/admit-nodes.ts';
import { findExchange } from '../cluster/find-exchange.ts';
import { type HeldLease, readLease } from '../cluster/lease.ts';
import { followSteps } from '../node/follow-steps.ts';
import type { ServingNode } from './open-node.ts';

/** How long a node that does not lead waits before it tries again. */
const STANDBY_MS = 500;

/**
 * Resolves with the lease, or with null when `stop` is aborted and no plan counts on this node any more. Throws `bad_config`
 * when the leader serves another model or runs another version.
 */
export async function followGroup(
  node: ServingNode,
  tryToLead: () => Promise<HeldLease | null>,
  stop: AbortSignal,
): Promise<HeldLease | null> {
  const over = new AbortController();
  const following = followExchange(node, over.signal);
  try {
    while (!stop.aborted) {
      await delay(STANDBY_MS, undefined, { signal: stop }).catch(() => {});
      if (stop.aborted) break;
      await refuseOtherGroup(node);
      const lease = await tryToLead();
      if (lease !== null) return lease;
    }
    await leave(node);
    return null;
  } finally {
    over.abort();
    await following;
  }
}

/** Without an exchange the node just stands by. */
async function followExchange(node: ServingNode, over: AbortSignal): Promise<void> {
  const { redis, held, group, nodeId, incarnation, config, state, log } = node;
  const exchangeUrl = await findExchange(redis, group, config.exchangeUrl);
  if (exchangeUrl === null) return;
  const onPlan = ({ epoch, topology }: GroupPlan, member: boolean): void => {
    state.seenEpoch = Math.max(state.seenEpoch, epoch);
    log.info({ epoch, topology, member }, 'follows a plan');
  };
  const onProblem = (problem: unknown): void => log.warn({ err: problem }, 'an exchange operation failed');
  const { session } = held;
  await followSteps(
    { session, group, nodeId, incarnation, exchangeUrl, ownExchangeUrl: null, onPlan, onProblem },
    over,
  );
}

async function refuseOtherGroup({ redis, group, nodeId, state }: ServingNode): Promise<void> {
  const [lease, nodes] = await Promise.all([readLease(redis, group), readNodes(redis)]);
  const leader = nodes.find(({ id }) => id === lease?.nodeId && id !== nodeId);
  const why = leader === undefined ? null : refusalReason(state.report(), leader);
  if (why !== null) throw new DomainError('bad_config', why, { param: 'model' });
}

/** Waits until the plan excludes this node, or the group has no leader that could publish another. */
async function leave({ redis, group, nodeId, incarnation, state, heartbeat, config }: ServingNode): Promise<void> {
  state.leaving = true;
  await heartbeat.beat();
  const deadline = performance.now() + config.drainSeconds * 1000;
  while (performance.now() < deadline) {
    const [lease, plan] = await Promise.all([readLease(redis, group), readPlan(redis, group)]);
    const isMember = plan?.members.some((member) => member.id === nodeId && member.incarnation === incarnation);
    if (lease === null || isMember !== true) return;
    await delay(STANDBY_MS / 10);
  }
}
