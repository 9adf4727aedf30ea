// Holds what a group computes against what a single node computes. In: a group's executor. Out: nothing, or DomainError. The
// single node's digest lies beside its packs; the first node that has the whole model makes it.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { CANARY_BLOCKS, canaryDigest, readCanary, writeCanary } from '../cluster/canary.ts';
import { createModelSession } from '../model/load-model.ts';
import { listPacks, openPacks } from '../pack/open-packs.ts';
import { allPacks } from '../pack/pack-folder.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { localExecutor } from './local-executor.ts';
import type { ServingNode } from './open-node.ts';

export class CanaryCheck {
  readonly #node: ServingNode;
  readonly #others: () => readonly NodeReport[];
  #expected: string | null = null;

  /** `others`: reports of the nodes that may know the digest already. */
  constructor(node: ServingNode, others: () => readonly NodeReport[]) {
    this.#node = node;
    this.#others = others;
  }

  /** Throws `generation_failed` when the logits are not those of a single node; rejects as the executor's steps do. */
  async check(executor: StepExecutor, plan: GroupPlan): Promise<void> {
    const { held, size, config, log } = this.#node;
    const { maxContext } = held.source.description;
    const digest = await canaryDigest({
      executor,
      firstBlock: size.kvBlocks,
      maxRows: config.worker.maxRows,
      maxContext,
    });
    this.#expected ??= (await this.#known()) ?? (await this.#learn(digest, plan));
    this.#node.state.canary = this.#expected;
    if (digest === this.#expected) return;
    const message =
      `The plan of epoch ${plan.epoch} computes logits ${digest.slice(0, 16)} for the canary prompt, but a single node ` +
      `${this.#expected.slice(0, 16)}. One of ${plan.members.map(({ id }) => id).join(', ')} computes wrongly; the plan is refused.`;
    log.error({ epoch: plan.epoch, digest, expected: this.#expected }, message);
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
    const alone = plan.members.length === 1 ? digest : await this.#computeAlone();
    if (alone === null)
      log.warn('no node has the whole model: the canary is held against the first plan, not a single node');
    await writeCanary(held.source.packFolder, state.numericsClass, alone ?? digest).catch((problem: unknown) =>
      log.warn({ err: problem }, "the canary's digest could not be stored"),
    );
    return alone ?? digest;
  }

  // On mapped files: the system reads what is needed, whatever the memory.
  async #computeAlone(): Promise<string | null> {
    const { description, packFolder } = this.#node.held.source;
    const packs = allPacks(description.router.experts);
    if ((await listPacks(packFolder)).length < packs.length) return null;
    const opened = await openPacks(packFolder, packs, () => {});
    const { threads } = this.#node.size;
    const { backend, maxRows } = this.#node.config.worker;
    const session = await createModelSession(opened, {
      backend,
      threads,
      kvBlocks: CANARY_BLOCKS,
      maxRows,
      variant: '',
    });
    try {
      const { maxContext } = description;
      return await canaryDigest({ executor: localExecutor(session), firstBlock: 0, maxRows, maxContext });
    } finally {
      await session.close();
      opened.close();
    }
  }
}
