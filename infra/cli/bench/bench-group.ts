// A group of nodes on this machine for as long as a bench lasts: an exchange Redis, one process for each node but the leader,
// which is this process. It runs the production code, with executor, followers and frames over Redis, except that no node joins later.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expertShape, type ModelDescription } from '../../../native/model-description.ts';
import { KV_BLOCK_TOKENS } from '../../../native/model-session.ts';
import { inEveryLayer } from '../../../workers/cluster/place-layers.ts';
import { createModelSession, loadModel } from '../../../workers/model/load-model.ts';
import { refuseDenseGroup } from '../../../workers/model/refuse-dense-group.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import { type GroupExecutor, openGroupExecutor } from '../../../workers/node/open-group-executor.ts';
import type { BuildEvents } from '../../../workers/pack/build-packs.ts';
import type { OpenedPacks } from '../../../workers/pack/open-packs.ts';
import { DomainError } from '../../errors/domain-error.ts';
import type { GroupPlan, PlanMember, Topology } from '../../messages/group-plan.ts';
import { loadDisplay } from '../load-events.ts';
import { type BenchPolicy, benchPolicy } from './bench-policies.ts';
import { unlessInterrupted } from './unless-interrupted.ts';
import { withExchange } from './with-exchange.ts';

export interface BenchGroupOptions {
  /** Checkpoint or pack folder, and where packs of checkpoints are. */
  readonly folder: string;
  readonly home: string;
  /** Computing threads of each node. */
  readonly threads: number;
  readonly topology: Topology;
  /** Experts of each node, the same in all layers; the first leads. */
  readonly placement: readonly (readonly number[])[];
  readonly policy: BenchPolicy;
  /** URL of the exchange; else one is started. */
  readonly exchange?: string;
  /** Rows of a step at most. */
  readonly maxRows: number;
  readonly kvTokens: number;
}

/** Parameters of a node process. */
export interface BenchNodeConfig extends Omit<BenchGroupOptions, 'placement'> {
  readonly experts: readonly number[];
  readonly shared: boolean;
  readonly group: string;
  readonly nodeId: string;
  readonly incarnation: string;
  readonly exchangeUrl: string;
}

export interface BenchGroup {
  readonly executor: GroupExecutor;
  /** The leader's packs: all of the model. */
  readonly packs: OpenedPacks;
}

/** Runs `use` with a group whose plan is in force; ends it afterwards. Throws DomainError when a node does not start. */
export async function withBenchGroup<T>(
  options: BenchGroupOptions,
  use: (group: BenchGroup) => Promise<T>,
): Promise<T> {
  return withExchange(options.exchange, (url) => withNodes(options, url, use));
}

async function withNodes<T>(
  options: BenchGroupOptions,
  exchangeUrl: string,
  use: (group: BenchGroup) => Promise<T>,
): Promise<T> {
  const { folder, home } = options;
  const packs = await loadModel({ folder, home, packs: 'all', events: SILENT });
  const orders = configsOf(options, exchangeUrl);
  const nodes: ChildProcess[] = [];
  try {
    for (const order of orders.slice(1)) nodes.push(await startNode(order));
    return await lead(orders, packs, (executor) =>
      unlessInterrupted(Promise.race([use({ executor, packs }), untilLost(nodes)])),
    );
  } finally {
    await Promise.all(nodes.map(endNode));
    packs.close();
  }
}

/** Builds the packs of a model if they are not there, with progress on stderr, and reads what it is. */
export async function prepareBenchModel(folder: string, home: string): Promise<StoredModel> {
  const display = loadDisplay();
  // These benches compare groups with a single node.
  const check = (model: StoredModel) => refuseDenseGroup(model, 2);
  const packs = await loadModel({ folder, home, packs: 'all', events: display.events, check }).finally(display.end);
  packs.close();
  return packs.description;
}

/** A bench is to be slow on a busy machine, not to fail. */
const PATIENT = { floorMs: 30_000, factor: 8 };
const SILENT: BuildEvents = { onProgress: () => {}, onWait: () => {} };

function configsOf({ placement, ...options }: BenchGroupOptions, exchangeUrl: string): readonly BenchNodeConfig[] {
  const group = `bench-${randomBytes(4).toString('hex')}`;
  return placement.map((experts, index) => ({
    ...options,
    experts,
    shared: index === 0 || options.topology === 'decentralized',
    group,
    // The plan lists members by id.
    nodeId: `node-${String(index).padStart(3, '0')}`,
    incarnation: randomBytes(8).toString('hex'),
    exchangeUrl,
  }));
}

async function startNode(order: BenchNodeConfig): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./bench-node.js', import.meta.url)), { stdio: 'inherit' });
  child.send(order);
  const lost = once(child, 'exit').then(() => Promise.reject(lostNode()));
  await Promise.race([once(child, 'message'), lost]);
  return child;
}

function lostNode(): DomainError {
  return new DomainError('unavailable', 'A node of the bench ended before its time; what it said is above.');
}

async function untilLost(nodes: readonly ChildProcess[]): Promise<never> {
  if (nodes.length === 0) return new Promise(() => {});
  await Promise.race(nodes.map((node) => once(node, 'exit')));
  throw lostNode();
}

async function endNode(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const ended = once(node, 'exit');
  node.disconnect();
  await ended;
}

async function lead<T>(
  orders: readonly BenchNodeConfig[],
  packs: OpenedPacks,
  use: (executor: GroupExecutor) => Promise<T>,
): Promise<T> {
  const [own] = orders;
  if (own === undefined) throw new TypeError('A group has at least one node.');
  const session = await createBenchSession(own, packs);
  const { group, nodeId, incarnation, exchangeUrl } = own;
  const executor = openGroupExecutor({
    session,
    group,
    nodeId,
    incarnation,
    exchangeUrl,
    ownExchangeUrl: null,
    policy: benchPolicy(own.policy, packs),
    deadlines: PATIENT,
  });
  try {
    await executor.usePlan(planOf(orders, packs.description));
    return await use(executor);
  } finally {
    await executor.close();
    await session.close();
  }
}

/** A session with the order's share of the packs. */
export function createBenchSession(order: BenchNodeConfig, packs: OpenedPacks) {
  const { threads, maxRows, kvTokens } = order;
  const { experts: count } = expertShape(packs.description);
  const experts = new Map([...packs.experts].filter(([id]) => order.experts.includes(id % count)));
  const held = { ...packs, shared: order.shared ? packs.shared : null, experts };
  const kvBlocks = Math.ceil(kvTokens / KV_BLOCK_TOKENS);
  return createModelSession(held, { backend: 'cpu', threads, maxRows, kvBlocks, variant: '' });
}

function planOf(orders: readonly BenchNodeConfig[], model: ModelDescription): GroupPlan {
  const { layers, experts: count } = expertShape(model);
  const [leader] = orders;
  if (leader === undefined) throw new TypeError('A plan has at least one member.');
  const members = orders.map(
    ({ nodeId, incarnation, experts, shared }): PlanMember => ({
      id: nodeId,
      incarnation,
      experts: inEveryLayer([experts], layers.length, count)[0] ?? [],
      shared,
      exchangeUrl: null,
      speed: 1,
    }),
  );
  const { group, nodeId, topology } = leader;
  const facts = { numericsClass: 'cpu', modelHash: '', reason: 'bench', createdAtMs: Date.now() };
  return { group, epoch: 1, leader: nodeId, topology, members, ...facts };
}
