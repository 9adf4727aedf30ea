// Forms a group around the node that holds its lease: watches its members, records the router's choices, and runs steps on the
// nodes that are available.

import { readPlan } from '../../infra/registry/group-plans.ts';
import { readRoutingCounts, writeRoutingCounts } from '../../infra/registry/routing-counts.ts';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';
import { expertShape } from '../../native/model-description.ts';
import { FaultTolerantExecutor } from '../cluster/fault-tolerant-executor.ts';
import { findExchange, publishExchange } from '../cluster/find-exchange.ts';
import type { PlacementFollower } from '../cluster/follow-placement.ts';
import type { HeldLease } from '../cluster/lease.ts';
import { PlanAuthor } from '../cluster/plan-author.ts';
import { RoutingCounts } from '../cluster/routing-counts.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { CanaryCheck } from './canary-check.ts';
import type { ServingNode } from './open-node.ts';
import { PlannedExecutors } from './planned-executors.ts';

export interface FormedGroup {
  readonly executor: StepExecutor;
  /** Ids of the nodes that compute now. */
  members(): readonly string[];
  close(): Promise<void>;
}

export interface FormGroupOptions {
  readonly placement: PlacementFollower;
  readonly lease: HeldLease;
  /** Abort this to stop waiting for steps; a DomainError as its reason is thrown. */
  readonly giveUp: AbortSignal;
}

const ROUTING_MS = 10_000;
const OBSERVE_MS = 1_000;

/**
 * Resolves when the group can compute. Throws `fenced` when the lease is lost first, `cancelled` when `giveUp` is aborted, and
 * `bad_config` for an exchange that cannot be used.
 */
export async function formGroup(node: ServingNode, options: FormGroupOptions): Promise<FormedGroup> {
  const exchangeUrl = await findExchange(node.redis, node.group, node.config.exchangeUrl);
  if (exchangeUrl !== null) await publishExchange(node.redis, node.group, exchangeUrl);
  const routing = await openRouting(node);
  const executors = new PlannedExecutors(node, exchangeUrl);
  const author = planAuthor(node, options, routing, exchangeUrl === null, await formerLeader(node));
  const executor = createFaultTolerantExecutor(node, options, author, executors);
  const remembering = rememberRouting(node, routing);
  const observing = observeGroup(node, author, executors);
  const close = async (): Promise<void> => {
    await Promise.allSettled([remembering.stop(), observing.stop(), executor.close()]);
    await executors.close();
  };
  try {
    await executor.formed();
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return { executor, members: () => author.active?.members.map(({ id }) => id) ?? [], close };
}

function planAuthor(
  node: ServingNode,
  { placement, lease }: FormGroupOptions,
  routing: RoutingCounts,
  alone: boolean,
  formerLeader: string | null,
): PlanAuthor {
  const { redis, nodeId, held, config } = node;
  return new PlanAuthor({
    redis,
    lease,
    leader: nodeId,
    alone,
    model: held.source.description,
    topology: config.worker.topology,
    formerLeader,
    counts: () => routing.counts,
    onPlacement: () => placement.wake(),
    now: () => performance.now(),
  });
}

function createFaultTolerantExecutor(
  node: ServingNode,
  { lease, giveUp }: FormGroupOptions,
  author: PlanAuthor,
  executors: PlannedExecutors,
): FaultTolerantExecutor {
  const { held, state, heartbeat, log } = node;
  const canary = new CanaryCheck(node, () => author.nodes);
  return new FaultTolerantExecutor({
    author,
    lease,
    model: held.source.description,
    mutex: held.mutex,
    executorFor: (plan) => executors.use(plan),
    check: (executor, plan) => canary.check(executor, plan),
    late: () => executors.observations()?.suspects ?? [],
    onWait: (what) => {
      state.waitsFor = what;
      // Operators see it in the next report at the latest.
      heartbeat.beat().catch(() => {});
    },
    giveUp,
    log,
  });
}

/** Its last report outlives it by as much as its lease does. */
async function formerLeader({ redis, group, nodeId }: ServingNode): Promise<string | null> {
  const before = await readPlan(redis, group);
  if (before === null || before.leader === nodeId) return null;
  return before.members.find(({ id }) => id === before.leader)?.incarnation ?? null;
}

async function openRouting({ redis, name, held }: ServingNode): Promise<RoutingCounts> {
  const { layers, experts, topK } = expertShape(held.source.description);
  return new RoutingCounts(
    { layers: layers.length, experts, topK },
    (await readRoutingCounts(redis, name))?.counts ?? null,
  );
}

/** A session that runs a step does not tell. */
function rememberRouting({ redis, name, held, log }: ServingNode, routing: RoutingCounts): Repeating {
  const { layers, experts } = expertShape(held.source.description);
  const remember = async (): Promise<void> => {
    routing.observe(await held.mutex.runExclusive(async () => held.session.routingCounts()));
    const record = { layers: layers.length, experts, counts: [...routing.counts], writtenAtMs: Date.now() };
    await writeRoutingCounts(redis, name, record);
  };
  return repeatEvery(ROUTING_MS, remember, (problem) => log.debug({ err: problem }, 'routing counts were not stored'));
}

/** Puts numbers of the group into the leader's heartbeat. */
function observeGroup({ held, state }: ServingNode, author: PlanAuthor, executors: PlannedExecutors): Repeating {
  const observe = async (): Promise<void> => {
    const seen = await held.mutex.runExclusive(async () => executors.observations());
    state.groupNumbers = {
      epoch: author.active?.epoch ?? 0,
      members: author.active?.members.length ?? 0,
      hopSecondsP50: (seen?.waitMs.p50 ?? 0) / 1000,
      hopSecondsP95: (seen?.waitMs.p95 ?? 0) / 1000,
      exchangeBytes: seen?.sent.bytes ?? 0,
      badFrames: seen?.badFrames ?? 0,
    };
  };
  return repeatEvery(OBSERVE_MS, observe, () => {
    // A session that cannot be asked now is asked again.
  });
}
