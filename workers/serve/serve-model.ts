// The worker's main loop: opens a model, publishes it to gateways and other nodes, and takes part in a group, as leader while it
// holds the lease and otherwise as follower. The successor of a killed worker finds all state in Redis.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { DomainError, toDomainError } from '../../infra/errors/domain-error.ts';
import { cachedBandwidth } from '../cluster/cached-bandwidth.ts';
import { followPlacement, type PlacementFollower } from '../cluster/follow-placement.ts';
import { acquireLease, type HeldLease } from '../cluster/lease.ts';
import { deviceLost } from '../model/native-failures.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { followGroup } from './follow-group.ts';
import { type FormedGroup, formGroup } from './form-group.ts';
import { leadGroup } from './lead-group.ts';
import { loadEvents } from './load-events.ts';
import { openNode, type ServeOptions, type ServingNode } from './open-node.ts';

/** How often it is looked whether all nodes are there. */
const MEMBERS_MS = 20;

/** A node whose holdings follow its group's placement. */
export interface Participant {
  readonly node: ServingNode;
  readonly placement: PlacementFollower;
  /** Aborted with a DomainError when the node cannot go on. */
  readonly broken: AbortSignal;
  close(): Promise<void>;
}

/** Opens a node and lets it hold what its group asks of it. Throws as openNode does. */
export async function openParticipant(options: ServeOptions): Promise<Participant> {
  const node = await openNode(options);
  const broken = new AbortController();
  const placement = applyPlacement(node, (why) => broken.abort(why));
  const displaced = (): void => broken.abort(taken(node.nodeId));
  node.heartbeat.displaced.addEventListener('abort', displaced, { once: true });
  const { lost } = node.held.session;
  lost.addEventListener('abort', () => broken.abort(deviceLost(lost.reason)), { once: true });
  const close = async (): Promise<void> => {
    await placement.stop();
    await node.close();
  };
  return { node, placement, broken: broken.signal, close };
}

/** Serves until `stop` is aborted. Throws DomainError when model, Redis, group or configuration cannot be used. */
export async function serveModel(options: ServeOptions, stop: AbortSignal): Promise<void> {
  const participant = await unlessStopped(openParticipant(options), stop);
  if (participant === null) return;
  try {
    // Why the node cannot go on says more than how the group's work ended.
    const taking = takePart(participant, AbortSignal.any([stop, participant.broken]));
    await taking.finally(() => participant.broken.throwIfAborted());
  } finally {
    await participant.close();
  }
}

/** Null when `stop` is aborted first; a participant that is opened after that is closed. */
async function unlessStopped(opening: Promise<Participant>, stop: AbortSignal): Promise<Participant | null> {
  const stopped = stop.aborted ? Promise.resolve([]) : once(stop, 'abort');
  const first = await Promise.race([opening, stopped.then(() => null)]);
  // A failure after the stop is irrelevant.
  if (first === null) void opening.then(({ close }) => close()).catch(() => {});
  return first;
}

/**
 * Leads a group for one task and ends with it: `use` gets an executor once `nodes` nodes compute in the group, which this one
 * is the first of. `onLeading` is called when others may come. Throws as serveModel does, and `conflict` when another one leads.
 */
export async function leadFor<Result>(
  options: ServeOptions,
  nodes: number,
  onLeading: () => void,
  use: (node: ServingNode, executor: StepExecutor) => Promise<Result>,
): Promise<Result> {
  const { node, placement, broken, close } = await openParticipant(options);
  const lease = await tryToLead(node);
  let formed: FormedGroup | null = null;
  try {
    if (lease === null)
      throw new DomainError('conflict', `Another node leads group ${node.group}. Stop it, or choose another group.`);
    await setRole(node, 'leader');
    formed = await formGroup(node, { placement, lease, giveUp: broken });
    onLeading();
    while (formed.members().length < nodes && !broken.aborted) await delay(MEMBERS_MS);
    broken.throwIfAborted();
    return await use(node, formed.executor);
  } finally {
    await formed?.close();
    if (lease?.held === true) await lease.release();
    await close();
  }
}

async function takePart({ node, placement }: Participant, stop: AbortSignal): Promise<void> {
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
function applyPlacement(node: ServingNode, onBroken: (why: DomainError) => void): PlacementFollower {
  const { redis, group, nodeId, held, size, config, state, heartbeat, log } = node;
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
      if (state.bytesPerSecond === 0 && held.files.length > 0) {
        state.bytesPerSecond = await cachedBandwidth(config.home, size.threads, held.files);
      }
      await heartbeat.beat();
    },
    onProblem: (problem) => {
      const error = toDomainError(problem);
      state.loads = error.message;
      if (error.code !== 'unavailable' || held.experts.length === 0) onBroken(error);
      else log.warn({ err: problem }, 'a pack could not be loaded; retrying');
    },
  });
}

function taken(nodeId: string): DomainError {
  const message = `Another process took the node id ${nodeId} while this one sent no heartbeat. Start one of them with another --node ID.`;
  return new DomainError('conflict', message, { param: 'node' });
}
