// Holds what a group computes against what a single node computes. In: a group's executor. Out: nothing, or DomainError. The
// single node's digest lies beside its packs; the first node that has the whole model makes it. Nodes of several numerics
// classes together have no single node's bits: their logits must be close to the leader's own.

import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { countExperts } from '../../native/model-description.ts';
import { CANARY_BLOCKS, canaryLogits, digestOf, readCanary, relativeDistance, writeCanary } from '../cluster/canary.ts';
import { inspectModel } from '../model/inspect-model.ts';
import { createModelSession } from '../model/load-model.ts';
import { holdsWholeModel, type OpenedPacks, openPacks } from '../pack/open-packs.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { gpuBytes } from './gpu-memory.ts';
import { localExecutor } from './local-executor.ts';
import type { ServingNode } from './open-node.ts';

/** Roundings differ, and so may the choice between two experts that a row likes about equally. Wrong weights give about 1. */
const MIXED_TOLERANCE = 0.2;

export class CanaryCheck {
  readonly #node: ServingNode;
  readonly #others: () => readonly NodeReport[];
  #expected: string | null = null;
  /** What this node alone computes; undefined before it was needed, null when it lacks packs. */
  #alone: Float32Array | null | undefined;

  /** `others`: reports of the nodes that may know the digest already. */
  constructor(node: ServingNode, others: () => readonly NodeReport[]) {
    this.#node = node;
    this.#others = others;
  }

  /** Throws `generation_failed` when the logits are not those of a single node; rejects as the executor's steps do. */
  async check(executor: StepExecutor, plan: GroupPlan): Promise<void> {
    const { held, size, config, state } = this.#node;
    const { maxContext } = held.source.description;
    const { maxRows } = config.worker;
    const logits = await canaryLogits({ executor, firstBlock: size.kvBlocks, maxRows, maxContext });
    if (plan.numericsClass === state.numericsClass) await this.#checkBits(digestOf(logits), plan);
    else await this.#checkDistance(logits, plan);
  }

  async #checkBits(digest: string, plan: GroupPlan): Promise<void> {
    this.#expected ??= (await this.#known()) ?? (await this.#learn(digest, plan));
    this.#node.state.canary = this.#expected;
    if (digest === this.#expected) return;
    this.#refuse(plan, `logits ${digest.slice(0, 16)}`, `a single node ${this.#expected.slice(0, 16)}`);
  }

  async #checkDistance(logits: Float32Array, plan: GroupPlan): Promise<void> {
    const { log } = this.#node;
    const { epoch, numericsClass } = plan;
    this.#alone ??= await this.#computeAlone();
    const distance = this.#alone === null ? null : relativeDistance(logits, this.#alone);
    log.warn(
      { epoch, numericsClass, distance },
      'the plan has nodes of several numerics classes: the same request may get a different answer under another plan',
    );
    if (distance === null) {
      log.warn('this node does not hold the whole model, so the results of other nodes cannot be checked');
    } else if (!(distance <= MIXED_TOLERANCE)) {
      this.#refuse(plan, `logits that are ${distance.toFixed(3)} of their size away`, 'this node alone others');
    }
  }

  #refuse({ epoch, members }: GroupPlan, found: string, expected: string): never {
    const message =
      `The plan of epoch ${epoch} computes ${found} for the canary prompt, but ${expected}. ` +
      `One of ${members.map(({ id }) => id).join(', ')} computes wrongly, so the plan is refused. Verify its packs with \`conclave model verify\`.`;
    this.#node.log.error({ epoch }, message);
    throw new DomainError('generation_failed', message);
  }

  async #known(): Promise<string | null> {
    const { held, state } = this.#node;
    const stored = await readCanary(held.source.packFolder, state.numericsClass);
    if (stored !== null) return stored;
    const alike = this.#others().filter(({ holdings }) => holdings.numericsClass === state.numericsClass);
    return alike.find(({ holdings }) => holdings.canary !== null)?.holdings.canary ?? null;
  }

  /** The digest of a single node: this plan's when it is one, else computed here once when the packs are at hand. */
  async #learn(digest: string, plan: GroupPlan): Promise<string> {
    const { held, state, log } = this.#node;
    const alone = plan.members.length === 1 ? digest : await this.#digestAlone();
    if (alone === null)
      log.warn('no node holds the whole model: plans are compared with the first plan rather than with a single node');
    await writeCanary(held.source.packFolder, state.numericsClass, alone ?? digest).catch((problem: unknown) =>
      log.warn({ err: problem }, "the canary's digest could not be stored"),
    );
    return alone ?? digest;
  }

  async #digestAlone(): Promise<string | null> {
    const logits = await this.#computeAlone();
    return logits === null ? null : digestOf(logits);
  }

  // On mapped files: a CPU's system reads what is needed, whatever the memory. A GPU must hold it all, beside what it serves.
  async #computeAlone(): Promise<Float32Array | null> {
    const { description, packFolder } = this.#node.held.source;
    if (!this.#hasRoom() || !(await holdsWholeModel(packFolder, description))) return null;
    const opened = await openPacks(packFolder, ['shared', ...Array(countExperts(description)).keys()], () => {});
    try {
      return await this.#computeOn(opened);
    } finally {
      opened.close();
    }
  }

  #hasRoom(): boolean {
    const { held } = this.#node;
    const heldBytes = held.files.reduce((sum, { size }) => sum + size, 0);
    return heldBytes + inspectModel(held.source.description, 1).bytes.total <= gpuBytes(held.session.backend);
  }

  async #computeOn(opened: OpenedPacks): Promise<Float32Array> {
    const { held, size, config } = this.#node;
    const { maxRows } = config.worker;
    const session = await createModelSession(opened, {
      backend: held.session.backend,
      threads: size.threads,
      kvBlocks: CANARY_BLOCKS,
      maxRows,
      variant: '',
    });
    try {
      const { maxContext } = opened.description;
      return await canaryLogits({ executor: localExecutor(session), firstBlock: 0, maxRows, maxContext });
    } finally {
      await session.close();
    }
  }
}
