// Chooses a group's plan. In: the current plan, the holdings of the live nodes and the target placement. Out: a plan, or the
// experts that no live node holds. Pure: the same view always gives the same choice.
import type { GroupPlan, PlanMember, Topology } from '../../infra/messages/group-plan.ts';
import type { Placement } from '../../infra/registry/group-plans.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { relativeSpeed } from './cached-bandwidth.ts';

export interface GroupView {
  readonly leader: string;
  /** The plan in force under this leader; null before its first one. */
  readonly active: GroupPlan | null;
  /** Live nodes that may take part, including the leader, by id. */
  readonly nodes: readonly NodeReport[];
  readonly placement: Placement;
  /** Experts of all layers of the model: their ids are below. */
  readonly experts: number;
  /** The configured topology. */
  readonly topology: Topology | 'auto';
}

export type PlanChoice =
  /** `changes` describes the differences from the current plan; '' if there are none. */
  | { readonly kind: 'plan'; readonly plan: PlannedGroup; readonly changes: string }
  /** No plan is possible: the `missing` ids have no living holder, or the leader still lacks attention. */
  | { readonly kind: 'wait'; readonly missing: readonly number[]; readonly lacksShared: boolean };

export interface PlannedGroup {
  readonly members: readonly PlanMember[];
  readonly topology: Topology;
}

export function choosePlan(view: GroupView): PlanChoice {
  const staying = view.nodes.filter(({ id, leaving }) => !leaving || id === view.leader);
  const choice = chooseAmong({ ...view, nodes: staying });
  // A node that is shutting down stays in the plan while it is the only holder of something.
  return choice.kind === 'wait' ? chooseAmong(view) : choice;
}

function chooseAmong(view: GroupView): PlanChoice {
  const leader = view.nodes.find(({ id }) => id === view.leader);
  const members = chooseMembers(view);
  const missing = missingExperts(members, view.experts);
  const lacksShared = leader?.holdings.shared !== true;
  if (leader === undefined || lacksShared || missing.length > 0) return { kind: 'wait', missing, lacksShared };
  const plan = { members, topology: chooseTopology(view, leader, members) };
  return { kind: 'plan', plan, changes: whatChanges(view.active, plan) };
}

/** Ids below `experts` that no member holds, ascending. */
export function missingExperts(members: readonly Pick<PlanMember, 'experts'>[], experts: number): readonly number[] {
  const held = new Uint8Array(experts);
  for (const member of members) for (const id of member.experts) held[id] = 1;
  return [...held.keys()].filter((id) => held[id] === 0);
}

// A node that is still loading keeps its experts of the current plan, so that the plan changes once per move and not with every
// pack. Only if an expert would be left without a holder are partial holdings used.
function chooseMembers(view: GroupView): readonly PlanMember[] {
  const settled = view.nodes.map((node) => memberOf(view, node, settledExperts(view, node)));
  const complete = missingExperts(settled, view.experts).length === 0;
  const members = complete ? settled : view.nodes.map((node) => memberOf(view, node, node.holdings.experts));
  return members.filter(({ id, experts }) => experts.length > 0 || id === view.leader);
}

function settledExperts({ placement, active }: GroupView, node: NodeReport): readonly number[] {
  const held = new Set(node.holdings.experts);
  const wanted = placement.nodes.find(({ id }) => id === node.id);
  const ready = wanted?.experts.every((expert) => held.has(expert)) === true;
  if (ready && (node.holdings.shared || !wanted.shared)) return wanted.experts;
  const before = active?.members.find(({ id, incarnation }) => id === node.id && incarnation === node.incarnation);
  return before?.experts.filter((expert) => held.has(expert)) ?? [];
}

function memberOf(view: GroupView, { id, incarnation, holdings }: NodeReport, experts: readonly number[]): PlanMember {
  const { shared, exchangeUrl, bytesPerSecond } = holdings;
  const leader = view.nodes.find((node) => node.id === view.leader);
  const speed = relativeSpeed(bytesPerSecond, leader?.holdings.bytesPerSecond ?? 0);
  return { id, incarnation, experts, shared, exchangeUrl, speed };
}

// Decentralized saves a hop per layer, but only equals repeat each other's attention bit by bit.
function chooseTopology({ topology, nodes }: GroupView, leader: NodeReport, members: readonly PlanMember[]): Topology {
  const taking = nodes.filter(({ id }) => members.some((member) => member.id === id));
  const alike = taking.every(
    ({ holdings }) =>
      holdings.shared &&
      holdings.numericsClass === leader.holdings.numericsClass &&
      holdings.kvTokens >= leader.holdings.kvTokens,
  );
  return topology === 'centralized' || !alike ? 'centralized' : 'decentralized';
}

function whatChanges(active: GroupPlan | null, { members, topology }: PlannedGroup): string {
  if (active === null) return 'the leader is new';
  const before = new Map(active.members.map((member) => [member.id, member]));
  const changes = members.flatMap((member) => changeOf(before.get(member.id), member));
  const left = active.members.filter(({ id }) => !members.some((member) => member.id === id));
  changes.push(...left.map(({ id }) => `${id} left`));
  if (topology !== active.topology) changes.push(`${topology} instead of ${active.topology}`);
  return changes.join(', ');
}

function changeOf(before: PlanMember | undefined, now: PlanMember): readonly string[] {
  if (before === undefined) return [`${now.id} joined`];
  if (before.incarnation !== now.incarnation) return [`${now.id} was started again`];
  if (before.experts.join() !== now.experts.join() || before.shared !== now.shared) return [`${now.id} holds others`];
  return [];
}
