// A group of nodes within one process, for tests: sessions over the same packs, followers that follow, and the leader's
// executor, all talking over a real Redis. The local session beside them says what the bits should be.
import { randomBytes } from 'node:crypto';
import type { GroupPlan, PlanMember, Topology } from '../infra/messages/group-plan.ts';
import type { ModelSession, StepBatch } from '../native/model-session.ts';
import { createModelSession, loadModel } from '../workers/model/load-model.ts';
import { type FollowOptions, followSteps } from '../workers/node/follow-steps.ts';
import {
  type GroupExecutor,
  type GroupExecutorOptions,
  openGroupExecutor,
} from '../workers/node/open-group-executor.ts';
import type { OpenedPacks } from '../workers/pack/open-packs.ts';

const LIMITS = { threads: 1, kvBlocks: 16, maxRows: 128, variant: '' };

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

/** A session with some of the experts, and the shared pack when asked for. */
export function openSession(packs: OpenedPacks, experts: readonly number[], shared: boolean): Promise<ModelSession> {
  const held = new Map([...packs.experts].filter(([expert]) => experts.includes(expert)));
  return createModelSession({ ...packs, shared: shared ? packs.shared : null, experts: held }, LIMITS);
}

export function openWholeSession(packs: OpenedPacks): Promise<ModelSession> {
  return createModelSession(packs, LIMITS);
}

export interface LocalGroupOptions {
  readonly packs: OpenedPacks;
  readonly exchangeUrl: string;
  /** Experts of each node; the first leads. */
  readonly experts: readonly (readonly number[])[];
  readonly topology: Topology;
  readonly deadlines?: GroupExecutorOptions['deadlines'];
  /** Exchange of each node's own; default: the group's. */
  readonly ownExchanges?: readonly (string | null)[];
  readonly policy?: FollowOptions['policy'];
}

export class LocalGroup {
  readonly executor: GroupExecutor;
  readonly nodes: readonly TestNode[];
  readonly #options: LocalGroupOptions;
  readonly #name: string;
  #epoch = 0;

  private constructor(options: LocalGroupOptions, name: string, nodes: readonly TestNode[], executor: GroupExecutor) {
    this.#options = options;
    this.#name = name;
    this.nodes = nodes;
    this.executor = executor;
  }

  /** Starts the nodes; no plan is in force yet. */
  static async open(options: LocalGroupOptions): Promise<LocalGroup> {
    const name = randomBytes(4).toString('hex');
    const nodes: TestNode[] = [];
    for (const [index, experts] of options.experts.entries()) {
      const shared = index === 0 || options.topology === 'decentralized';
      nodes.push(startNode(options, name, index, await openSession(options.packs, experts, shared)));
    }
    const [leader] = nodes;
    if (leader === undefined) throw new TypeError('A group has at least one node.');
    const { id, incarnation, session } = leader;
    const { exchangeUrl, deadlines, policy } = options;
    const ownExchangeUrl = options.ownExchanges?.[0] ?? null;
    const executor = openGroupExecutor({
      session,
      group: name,
      nodeId: id,
      incarnation,
      exchangeUrl,
      ownExchangeUrl,
      ...(deadlines === undefined ? {} : { deadlines }),
      ...(policy === undefined ? {} : { policy }),
    });
    return new LocalGroup(options, name, nodes, executor);
  }

  /** A plan of these nodes (indices), with the next epoch; to be changed and used. */
  plan(members: readonly number[], topology = this.#options.topology): GroupPlan {
    this.#epoch += 1;
    const list = members.flatMap((index): PlanMember[] => {
      const node = this.nodes[index];
      const experts = this.#options.experts[index] ?? [];
      const shared = index === 0 || topology === 'decentralized';
      const exchangeUrl = this.#options.ownExchanges?.[index] ?? null;
      return node === undefined
        ? []
        : [{ id: node.id, incarnation: node.incarnation, experts, shared, exchangeUrl, speed: 1 }];
    });
    return {
      group: this.#name,
      epoch: this.#epoch,
      leader: this.nodes[0]?.id ?? '',
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
  const { exchangeUrl, policy } = options;
  const ownExchangeUrl = options.ownExchanges?.[index] ?? null;
  const onProblem = (problem: unknown) => void problems.push(problem);
  const following =
    index === 0
      ? Promise.resolve()
      : followSteps(
          {
            session,
            group,
            nodeId: id,
            incarnation,
            exchangeUrl,
            ownExchangeUrl,
            onProblem,
            ...(policy === undefined ? {} : { policy }),
          },
          stopping.signal,
        );
  const stop = (): Promise<void> => {
    stopping.abort();
    return following;
  };
  return { id, incarnation, session, problems, stop };
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
