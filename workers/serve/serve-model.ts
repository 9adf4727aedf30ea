// A worker's life: open a model, tell gateways and other nodes about it, and take part in a group: lead it while its lease can
// be had, else compute what its leader asks for. Nothing here is the only copy of anything: a killed worker's successor finds
// all in Redis.
import { DomainError, toDomainError } from '../../infra/errors/domain-error.ts';
import { followPlacement, type PlacementFollower } from '../cluster/follow-placement.ts';
import { acquireLease, type HeldLease } from '../cluster/lease.ts';
import { followGroup } from './follow-group.ts';
import { leadGroup } from './lead-group.ts';
import { loadEvents } from './load-events.ts';
import { openNode, type ServeOptions, type ServingNode } from './open-node.ts';

/** Serves until `stop` is aborted. Throws DomainError when model, Redis, group or configuration cannot be used. */
export async function serveModel(options: ServeOptions, stop: AbortSignal): Promise<void> {
  const node = await openNode(options);
  const broken = new AbortController();
  const placement = meetPlacement(node, (why) => broken.abort(why));
  const displaced = (): void => broken.abort(taken(node.nodeId));
  node.heartbeat.displaced.addEventListener('abort', displaced, { once: true });
  try {
    await takePart(node, placement, AbortSignal.any([stop, broken.signal]));
    broken.signal.throwIfAborted();
  } finally {
    await placement.stop();
    await node.close();
  }
}

async function takePart(node: ServingNode, placement: PlacementFollower, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const lease = (await tryToLead(node)) ?? (await followGroup(node, () => tryToLead(node), stop));
    if (lease === null) return;
    await setRole(node, 'leader');
    await leadGroup(node, placement, lease, stop);
    if (!stop.aborted) await setRole(node, 'member');
  }
}

function tryToLead({ redis, group, nodeId, config, state }: ServingNode): Promise<HeldLease | null> {
  const leaseMs = config.worker.leaseSeconds * 1000;
  return acquireLease({ redis, group, nodeId, leaseMs }, state.seenEpoch);
}

async function setRole({ state, heartbeat }: ServingNode, role: 'leader' | 'member'): Promise<void> {
  state.role = role;
  await heartbeat.beat();
}

/** What cannot be loaded ends the node, unless others may be able to give it later. */
function meetPlacement(node: ServingNode, onBroken: (why: DomainError) => void): PlacementFollower {
  const { redis, group, nodeId, held, state, heartbeat, log } = node;
  return followPlacement({
    redis,
    group,
    nodeId,
    held,
    events: loadEvents(log, (what, share) => {
      state.loads = `${what} (${Math.round(share * 100)} %)`;
    }),
    onChange: async () => {
      state.loads = '';
      await heartbeat.beat();
    },
    onProblem: (problem) => {
      const error = toDomainError(problem);
      state.loads = error.message;
      if (error.code !== 'unavailable' || held.experts.length === 0) onBroken(error);
      else log.warn({ err: problem }, 'a pack could not be loaded; trying again');
    },
  });
}

function taken(nodeId: string): DomainError {
  const message = `Another process has taken the node id ${nodeId} while this one was silent. Start one of them with another --node ID.`;
  return new DomainError('conflict', message, { param: 'node' });
}
