// What a group of machines makes of a model: which experts where, how much memory that takes, how fast it decodes. In: model,
// nodes, link. Out: the plan of the quicker topology, or of the one that was asked for. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { expertShape } from '../../native/model-description.ts';
import { drawRoutings, everyRouting, type Routings } from '../cluster/expected-load.ts';
import { expertSlots, sharedBytes } from '../cluster/memory-slots.ts';
import { disjointPlacement, groupPlacement, paperGroups } from '../cluster/paper-groups.ts';
import { holdersOf } from '../cluster/place-experts.ts';
import { expertsByLayer, inEveryLayer, placeLayers } from '../cluster/place-layers.ts';
import { layerExpertBytes } from '../model/inspect-model.ts';
import { refuseDenseGroup } from '../model/refuse-dense-group.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { type Assigner, ExpertAssigner } from '../node/assign-experts.ts';
import type { Link, PlannedNode, SoftwareCost } from './machine.ts';
import { predictStep, type StepPrediction } from './predict-step.ts';

export const TOPOLOGIES = ['centralized', 'decentralized'] as const;
export type Topology = (typeof TOPOLOGIES)[number];

/**
 * overlap: replicas spread over all pairs, the largest load kept smallest (ours). groups: the paper's fixed groups, dealt
 * in turn (L_R). busy-full: the same groups, every node computes all it holds (L_B). disjoint: no replicas.
 */
export const POLICIES = ['overlap', 'groups', 'busy-full', 'disjoint'] as const;
export type Policy = (typeof POLICIES)[number];

export interface ClusterInput {
  readonly model: StoredModel;
  /** The leader first. */
  readonly nodes: readonly PlannedNode[];
  readonly link: Link;
  readonly software: SoftwareCost;
  /** Null: the quicker of those that fit. */
  readonly topology: Topology | null;
  readonly policy: Policy;
  /** Streams that decode together. */
  readonly streams: number;
  /** Tokens of each stream's context. */
  readonly context: number;
  /** What the router chose so far, [layers, experts], flat; null: all experts alike. */
  readonly counts: Float64Array | null;
}

export interface PlannedMember {
  readonly name: string;
  readonly host: string;
  /** Of each layer that has experts: [layers][...experts]. */
  readonly experts: readonly (readonly number[])[];
  readonly shared: boolean;
  readonly usedBytes: number;
  readonly memoryBytes: number;
}

export interface ClusterPlan {
  readonly topology: Topology;
  readonly policy: Policy;
  readonly members: readonly PlannedMember[];
  /** Every expert of every layer has a second holder. */
  readonly survivesAnyLoss: boolean;
  readonly step: StepPrediction;
}

/** Throws DomainError `bad_config` saying what does not fit. */
export function planCluster(input: ClusterInput): ClusterPlan {
  if (input.nodes.length === 0) throw new DomainError('bad_config', 'Expected at least one node.', { param: 'nodes' });
  const routings = routingsFor(input);
  const tried = (input.topology === null ? TOPOLOGIES : [input.topology]).map((topology) =>
    attempt(() => planTopology(input, topology, routings)),
  );
  const plans = tried.flatMap((outcome) => ('plan' in outcome ? [outcome.plan] : []));
  const [best] = plans.toSorted((left, right) => right.step.tokensPerSecond - left.step.tokensPerSecond);
  if (best !== undefined) return best;
  const [failure] = tried.flatMap((outcome) => ('failure' in outcome ? [outcome.failure] : []));
  throw failure;
}

function attempt(plan: () => ClusterPlan): { readonly plan: ClusterPlan } | { readonly failure: unknown } {
  try {
    return { plan: plan() };
  } catch (failure) {
    if (!(failure instanceof DomainError)) throw failure;
    return { failure };
  }
}

function planTopology(input: ClusterInput, topology: Topology, routings: Routings): ClusterPlan {
  const { model, nodes, policy } = input;
  const kvTokens = input.streams * input.context;
  const shared = nodes.map((_, node) => topology === 'decentralized' || node === 0);
  const slots = expertSlots(
    model,
    nodes.map(({ memoryBytes, maxExperts }, node) => ({
      ...{ memoryBytes, maxExperts, kvTokens },
      shared: shared[node] ?? true,
    })),
  );
  const { experts, layers } = expertShape(model);
  refuseDenseGroup(model, nodes.length);
  if (experts === 0) refuseDenseTooLarge(input, kvTokens);
  const placement = place(input, slots);
  const holders = holdersOf(placement, layers.length * experts);
  const assigner = assignerOf(input, holders);
  const alwaysComputed = policy === 'busy-full' ? groupPlacement(paperGroups(experts, nodes.length)) : null;
  const step = predictStep({ ...input, topology, rows: input.streams, assigner, alwaysComputed, routings });
  const { perLayer } = layerExpertBytes(model);
  const members = nodes.map(({ name, host, memoryBytes }, node) => {
    const held = expertsByLayer(placement[node] ?? [], layers.length, experts);
    const holdsShared = shared[node] ?? true;
    const expertBytes = held.reduce((sum, { length }, layer) => sum + length * (perLayer[layer] ?? 0), 0);
    const usedBytes = expertBytes + sharedBytes(model, { kvTokens, shared: holdsShared });
    return { name, host, experts: held, shared: holdsShared, usedBytes, memoryBytes };
  });
  return { topology, policy, members, survivesAnyLoss: experts > 0 && holders.every(({ length }) => length > 1), step };
}

/** The ids of each node. */
function place({ model, nodes, policy, counts }: ClusterInput, slots: readonly (readonly number[])[]) {
  const { experts, layers } = expertShape(model);
  if (policy === 'overlap') {
    const fastest = Math.max(...nodes.map(({ bytesPerSecond }) => bytesPerSecond));
    const members = nodes.map(({ bytesPerSecond }, node) => ({
      slots: slots[node] ?? [],
      speed: bytesPerSecond / fastest,
    }));
    return placeLayers({ layers: layers.length, experts, members, counts });
  }
  const placement =
    policy === 'disjoint'
      ? disjointPlacement(experts, nodes.length)
      : groupPlacement(paperGroups(experts, nodes.length));
  for (const [node, { length }] of placement.entries()) {
    const room = Math.min(...(slots[node] ?? []));
    if (length > room) throw tooFull(nodes[node], length, room);
  }
  return inEveryLayer(placement, layers.length, experts);
}

/** One node computes a dense model, if it has the memory. */
function refuseDenseTooLarge({ model, nodes }: ClusterInput, kvTokens: number): void {
  const [needed, room] = [sharedBytes(model, { kvTokens, shared: true }), nodes[0]?.memoryBytes ?? 0];
  if (needed <= room) return;
  throw new DomainError('bad_config', `${nodes[0]?.name}: the model takes ${needed} bytes of ${room} that it may use.`);
}

function tooFull(node: PlannedNode | undefined, wanted: number, slots: number): DomainError {
  return new DomainError(
    'bad_config',
    `${node?.name}: its memory has room for ${slots} experts, but the placement needs ${wanted}. Add nodes or memory.`,
  );
}

function assignerOf({ model, nodes, policy }: ClusterInput, holders: readonly (readonly number[])[]): Assigner {
  const { topK, layers } = expertShape(model);
  // A dense model has nothing to assign.
  const group = { holders, members: nodes.length, layers: Math.max(1, layers.length) };
  if (policy === 'groups' || policy === 'busy-full')
    return new ExpertAssigner({ ...group, policy: { name: 'deal', topK } });
  return new ExpertAssigner({ ...group, speed: nodes.map((node) => node.bytesPerSecond) });
}

/** More choices than this are drawn instead of enumerated. */
const MAX_ROUTINGS = 20_000;
const DRAWS = 2_000;
/** Any: the same plan every time. */
const SEED = 1;

function routingsFor({ model, streams, counts }: ClusterInput): Routings {
  const { experts, topK, layers } = expertShape(model);
  if (counts !== null && counts.length !== layers.length * experts) {
    throw new DomainError('bad_config', `Expected routing counts of ${layers.length} layers and ${experts} experts.`);
  }
  const routings =
    counts === null && streams === 1 && choices(experts, topK) <= MAX_ROUTINGS
      ? everyRouting(experts, topK)
      : drawRoutings({ experts, topK, rows: streams, draws: DRAWS, seed: SEED, counts });
  // Layers whose routers are not known choose alike, but may be placed differently.
  return { ...routings, layers: Math.max(1, layers.length) };
}

/** Ways to choose `topK` of `experts`. */
function choices(experts: number, topK: number): number {
  let ways = 1;
  for (let rank = 1; rank <= topK; rank += 1) ways = (ways * (experts - topK + rank)) / rank;
  return ways;
}
