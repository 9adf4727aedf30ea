// What runs the steps of a plan: this node alone, or all members over the exchange, which is joined when it is first needed.
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import { type GroupExecutor, type GroupObservations, openGroupExecutor } from '../node/open-group-executor.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { localExecutor } from './local-executor.ts';
import type { ServingNode } from './open-node.ts';

export class PlannedExecutors {
  readonly #node: ServingNode;
  readonly #exchangeUrl: string | null;
  #group: GroupExecutor | null = null;

  constructor(node: ServingNode, exchangeUrl: string | null) {
    this.#node = node;
    this.#exchangeUrl = exchangeUrl;
  }

  /** The executor of a plan, which is in force from now on. Rejects with StepFailure when the exchange does not answer. */
  async use(plan: GroupPlan): Promise<StepExecutor> {
    const { session } = this.#node.held;
    if (plan.members.length === 1) return localExecutor(session);
    this.#group ??= this.#join();
    await this.#group.usePlan(plan);
    return this.#group;
  }

  /** What was seen of the group so far; null before there was one. Not while a step runs. */
  observations(): GroupObservations | null {
    return this.#group?.observations() ?? null;
  }

  async close(): Promise<void> {
    await this.#group?.close();
  }

  #join(): GroupExecutor {
    const { held, group, nodeId, incarnation, log } = this.#node;
    if (this.#exchangeUrl === null) throw new TypeError('Without an exchange a plan has one member');
    return openGroupExecutor({
      session: held.session,
      group,
      nodeId,
      incarnation,
      exchangeUrl: this.#exchangeUrl,
      ownExchangeUrl: null,
      onProblem: (problem) => log.warn({ err: problem }, 'an exchange operation failed'),
    });
  }
}
