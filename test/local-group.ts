// A group of nodes within one process, for tests: sessions over the same packs, followers that follow, and the leader's
// executor, all talking over a real Redis. The local session beside them says what the bits should be.
import { randomBytes } from 'node:crypto';
import type { GroupPlan, PlanMember, Topology } from '../infra/messages/group-plan.ts';
import { expertShape } from '../native/model-description.ts';
import type { ModelSession, StepBatch } from '../native/model-session.ts';
import { inEveryLayer } from '../workers/cluster/place-layers.ts';
import { createModelSession, loadModel } from '../workers/model/load-model.ts';
import { followSteps } from '../workers/node/follow-steps.ts';
import {
  type GroupExecutor,
  type GroupExecutorOptions,
  openGroupExecutor,
} from '../workers/node/open-group-executor.ts';
import type { OpenedPacks } from '../workers/pack/open-packs.ts';

const LIMITS = { backend: 'cpu' as const, threads: 1, kvBlocks: 16, maxRows: 128, variant: '' };

export interface TestNode {
  readonly id: string;
  readonly incarnation: string;
  readonly session: ModelSession;
  readonly problems: unknown[];
  /** Stops following at once, as a killed process would from the others' point of view. */
  stop(): Promise<void>;
}

/** Opens all packs of a checkpoint. */
export function openAllPacks(folder: string, home: string): Promise<OpenedPacks> {
  const events = { onProgress: () => undefined, onWait: () => undefined };
  return loadModel({ folder, home, packs: 'all', events });
}

/** A session with the shared pack and some of the experts. */
function openSession(packs: OpenedPacks, experts: readonly number[]): Promise<ModelSession> {
  const count = expertShape(packs.description).experts;
  const held = new Map([...packs.experts].filter(([id]) => experts.includes(id % count)));
  return createModelSession({ ...packs, experts: held }, LIMITS);
}

export function openWholeSession(packs: OpenedPacks): Promise<ModelSession> {
  return createModelSession(packs, LIMITS);
}

/** Logits [logitRows, vocab] of one step, by a session or a group's executor. */
export async function logitsOfStep(
  executor: { step(batch: StepBatch, logits: Float32Array): Promise<void> },
  batch: StepBatch,
  vocab: number,
): Promise<Float32Array> {
  const logits = new Float32Array(batch.logitRows.length * vocab);
  await executor.step(batch, logits);
  return logits;
}

export interface LocalGroupOptions {
  readonly packs: OpenedPacks;
  readonly exchangeUrl: string;
  /** Experts of each node, the same in all layers; the first leads. */
  readonly experts: readonly (readonly number[])[];
  readonly topology: Topology;
  readonly deadlines?: GroupExecutorOptions['deadlines'];
  /** Exchange of each node's own; default: the group's. */
  readonly ownExchanges?: readonly (string | null)[];
  /** Ways to the exchange of single nodes (by index); default: exchangeUrl. */
  readonly ways?: ReadonlyMap<number, string>;
  /** Packs of another checkpoint for some nodes (by index). */
  readonly foreignPacks?: ReadonlyMap<number, OpenedPacks>;
}

export class LocalGroup {
  executor: GroupExecutor;
  readonly name: string;
  readonly nodes: readonly TestNode[];
  readonly #options: LocalGroupOptions;
  #leader = 0;
  #epoch = 0;

  private constructor(options: LocalGroupOptions, name: string, nodes: readonly TestNode[]) {
    this.#options = options;
    this.name = name;
    this.nodes = nodes;
    this.executor = this.#lead();
  }

  /** Starts the nodes; no plan is in force yet. */
  static async open(options: LocalGroupOptions): Promise<LocalGroup> {
    const name = randomBytes(4).toString('hex');
    const nodes: TestNode[] = [];
    for (const [index, experts] of options.experts.entries()) {
      // Any node may come to lead.
      nodes.push(
        startNode(options, name, index, await openSession(options.foreignPacks?.get(index) ?? options.packs, experts)),
      );
    }
    return new LocalGroup(options, name, nodes);
  }

  /** Another node, which followed until now, leads in place of a killed leader. */
  async promote(index: number): Promise<void> {
    await this.executor.close();
    await this.nodes[index]?.stop();
    this.#leader = index;
    this.executor = this.#lead();
  }

  #lead(): GroupExecutor {
    const leader = this.nodes[this.#leader];
    if (leader === undefined) throw new TypeError('There is no such node.');
    const { deadlines } = this.#options;
    return openGroupExecutor({
      session: leader.session,
      group: this.name,
      nodeId: leader.id,
      incarnation: leader.incarnation,
      ...exchangeOf(this.#options, this.#leader),
      ...(deadlines === undefined ? {} : { deadlines }),
    });
  }

  /** A plan of these nodes (indices), with the next epoch; to be changed and used. */
  plan(members: readonly number[], topology = this.#options.topology): GroupPlan {
    this.#epoch += 1;
    const list = members.flatMap((index): PlanMember[] => {
      const node = this.nodes[index];
      const { layers, experts: count } = expertShape(this.#options.packs.description);
      const [experts = []] = inEveryLayer([this.#options.experts[index] ?? []], layers.length, count);
      const shared = index === this.#leader || topology === 'decentralized';
      const exchangeUrl = this.#options.ownExchanges?.[index] ?? null;
      return node === undefined
        ? []
        : [{ id: node.id, incarnation: node.incarnation, experts, shared, exchangeUrl, speed: 1 }];
    });
    return {
      group: this.name,
      epoch: this.#epoch,
      leader: this.nodes[this.#leader]?.id ?? '',
      topology,
      members: list,
      numericsClass: 'cpu',
      modelHash: '',
      reason: 'test',
      createdAtMs: 0,
    };
  }

  /** Puts a plan of all nodes, or of these, in force. */
  use(members: readonly number[] = [...this.nodes.keys()], topology = this.#options.topology): Promise<void> {
    return this.executor.usePlan(this.plan(members, topology));
  }

  async close(): Promise<void> {
    await this.executor.close();
    for (const node of this.nodes) {
      await node.stop();
      await node.session.close();
    }
  }
}

function startNode(options: LocalGroupOptions, group: string, index: number, session: ModelSession): TestNode {
  const id = `node-${index}`;
  const incarnation = randomBytes(4).toString('hex');
  const problems: unknown[] = [];
  const stopping = new AbortController();
  const onProblem = (problem: unknown) => void problems.push(problem);
  const following =
    index === 0
      ? Promise.resolve()
      : followSteps(
          { session, group, nodeId: id, incarnation, onProblem, ...exchangeOf(options, index) },
          stopping.signal,
        );
  const stop = (): Promise<void> => {
    stopping.abort();
    return following;
  };
  return { id, incarnation, session, problems, stop };
}

/** How the node of that index takes part in the exchange. */
function exchangeOf({ exchangeUrl, ways, ownExchanges }: LocalGroupOptions, index: number) {
  return { exchangeUrl: ways?.get(index) ?? exchangeUrl, ownExchangeUrl: ownExchanges?.[index] ?? null };
}

/** Rows [from, from + count) of some sequences; block `b` of sequence s is `s * blocksEach + b`; logits of every row. */
export function batchOf(
  parts: readonly { readonly sequence: number; readonly tokens: readonly number[]; readonly from: number }[],
  blocksEach: number,
): StepBatch {
  const rows = parts.flatMap(({ tokens, from }, index) =>
    tokens.map((token, offset) => ({ token, position: from + offset, index })),
  );
  const tables = parts.flatMap(({ sequence }) =>
    Array.from({ length: blocksEach }, (_, b) => sequence * blocksEach + b),
  );
  return {
    tokens: Int32Array.from(rows, ({ token }) => token),
    positions: Int32Array.from(rows, ({ position }) => position),
    sequences: Int32Array.from(rows, ({ index }) => index),
    blockTables: Int32Array.from(tables),
    blockTableWidth: blocksEach,
    logitRows: Int32Array.from(rows, (_, row) => row),
  };
}
