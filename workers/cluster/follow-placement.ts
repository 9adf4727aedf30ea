// Makes a node's holdings follow its group's target placement. In: placement and plan in Redis. Out: packs are loaded, and
// released once no plan uses them.
import type { Redis } from 'ioredis';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import { type DesiredHoldings, readPlacement, readPlan } from '../../infra/registry/group-plans.ts';
import { repeatEvery } from '../../infra/timing/repeat-every.ts';
import type { BuildEvents } from '../pack/build-packs.ts';
import type { HoldingsChange, LoadedModel } from './loaded-model.ts';

export interface PlacementFollower {
  /** Looks at once. */
  wake(): void;
  stop(): Promise<void>;
}

export interface FollowPlacementParts {
  readonly redis: Redis;
  readonly group: string;
  readonly nodeId: string;
  readonly held: LoadedModel;
  readonly events: BuildEvents;
  /** Called after what is held has changed. */
  readonly onChange: () => Promise<void>;
  /** Called with what went wrong; it is tried again. */
  readonly onProblem: (problem: unknown) => void;
}

interface Holdings {
  readonly experts: readonly number[];
  readonly shared: boolean;
}

const POLL_MS = 250;

/** Follows until stopped. */
export function followPlacement(parts: FollowPlacementParts): PlacementFollower {
  let looking = Promise.resolve();
  const look = (): Promise<void> => {
    looking = looking.then(() => applyPlacement(parts)).catch(parts.onProblem);
    return looking;
  };
  const repeating = repeatEvery(POLL_MS, look, parts.onProblem);
  return {
    wake: () => void look(),
    stop: async () => {
      await repeating.stop();
      await looking;
    },
  };
}

async function applyPlacement({ redis, group, nodeId, held, events, onChange }: FollowPlacementParts): Promise<void> {
  const placement = await readPlacement(redis, group);
  const wanted = placement?.nodes.find(({ id }) => id === nodeId);
  if (placement === null || wanted === undefined || placement.modelHash !== held.source.packed.modelHash) return;
  // Polled four times a second: the plan matters only for packs that the placement would release.
  if (isMet(wanted, held)) return;
  const { load, drop } = whatToMove(wanted, held, await readPlan(redis, group), nodeId);
  if (!load.shared && load.experts.length + drop.length === 0) return;
  await held.load(load, events);
  await held.drop(drop);
  await onChange();
}

function isMet(wanted: DesiredHoldings, held: Holdings): boolean {
  const { load, drop } = whatToMove(wanted, held, null, '');
  return !load.shared && load.experts.length + drop.length === 0;
}

/** What to load and what to release. Attention is never released: with it the node can lead. */
export function whatToMove(
  wanted: DesiredHoldings,
  held: Holdings,
  plan: GroupPlan | null,
  nodeId: string,
): { readonly load: HoldingsChange; readonly drop: readonly number[] } {
  const inUse = new Set(plan?.members.find(({ id }) => id === nodeId)?.experts);
  const has = new Set(held.experts);
  const wants = new Set(wanted.experts);
  return {
    load: { shared: wanted.shared && !held.shared, experts: wanted.experts.filter((expert) => !has.has(expert)) },
    drop: held.experts.filter((expert) => !wants.has(expert) && !inUse.has(expert)),
  };
}
