// A member of a group that does not lead: executes the steps of the group's log and computes what the leader asks for, under
// whatever plan is the newest, until told to stop. Keeps nothing that another process could not have.

import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { StepJob } from '../../infra/messages/step-job.ts';
import type { LoadPolicy } from '../../native/load-policy.ts';
import { countExperts, expertShape } from '../../native/model-description.ts';
import type { ModelSession } from '../../native/model-session.ts';
import { EpochSignal, Superseded } from '../exchange/epoch-signal.ts';
import { ExchangeLink } from '../exchange/exchange-link.ts';
import { ExchangeRoutes } from '../exchange/exchange-routes.ts';
import type { LogEntry } from '../exchange/step-log.ts';
import { type GroupView, viewGroup } from './group-view.ts';
import { NativeSteps } from './native-steps.ts';
import { failureText, type NodeParts } from './node-parts.ts';

export interface FollowOptions {
  /** With the experts, and for a decentralized plan the shared pack, that the plans give this node. */
  readonly session: ModelSession;
  readonly group: string;
  readonly nodeId: string;
  /** Of this process: plans that name another one are not for it. */
  readonly incarnation: string;
  /** The group's exchange. */
  readonly exchangeUrl: string;
  /** This node's own exchange, as its plan entry says; null: the group's. */
  readonly ownExchangeUrl: string | null;
  /** Who computes what; every member must be given the same. Default: the smallest largest load. */
  readonly policy?: LoadPolicy;
  /** A newer plan was read; `member` says whether it names this process. */
  readonly onPlan?: (plan: GroupPlan, member: boolean) => void;
  /** Something was dropped, refused or is tried again; the node goes on. */
  readonly onProblem?: (problem: unknown) => void;
}

type Job =
  | { readonly step: number; readonly batch: StepJob }
  /** Work of all steps of a centralized plan. */
  | { readonly serve: true };

/** Settles once `stop` is aborted and nothing is computing any more. */
export async function followSteps(options: FollowOptions, stop: AbortSignal): Promise<void> {
  const follower = new Follower(options);
  await follower.run(stop);
}

class Follower {
  readonly #options: FollowOptions;
  readonly #node: NodeParts;
  #epoch = 0;
  /** Null while no plan names this process, or after it lost its place in the epoch. */
  #view: GroupView | null = null;
  #native: Promise<NativeSteps> | null = null;
  #lastStep = 0;
  #jobs: Job[] = [];
  #wake: () => void = () => {};
  #stopped = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    const link = new ExchangeLink(options, {
      onLog: (entry) => this.#onLog(entry),
      onProblem: (problem) => options.onProblem?.(problem),
    });
    this.#node = { session: options.session, link, epochs: new EpochSignal(), routes: new ExchangeRoutes() };
  }

  async run(stop: AbortSignal): Promise<void> {
    const halt = (): void => {
      this.#stopped = true;
      this.#node.epochs.interrupt(new Superseded());
      this.#wake();
    };
    stop.addEventListener('abort', halt);
    this.#node.link.followLog();
    try {
      while (!this.#stopped) {
        const job = this.#jobs.shift();
        if (job === undefined) await this.#nextJob();
        else await this.#execute(job);
      }
    } finally {
      stop.removeEventListener('abort', halt);
      await this.#node.link.close();
      await this.#node.routes.close();
    }
  }

  #nextJob(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #add(job: Job): void {
    this.#jobs.push(job);
    this.#wake();
  }

  #onLog(entry: LogEntry): void {
    if (entry.kind === 'plan') this.#usePlan(entry.plan);
    else if (entry.epoch === this.#epoch && this.#view !== null) this.#onStep(entry.step, entry.job);
  }

  #usePlan(plan: GroupPlan): void {
    if (plan.epoch <= this.#epoch) return;
    const { session } = this.#options;
    this.#epoch = plan.epoch;
    this.#lastStep = 0;
    this.#jobs = [];
    this.#view = viewGroup(plan, this.#options, countExperts(session.description));
    this.#node.epochs.begin();
    this.#native = null;
    if (this.#view !== null) this.#join(this.#view);
    this.#options.onPlan?.(plan, this.#view !== null);
  }

  #join(view: GroupView): void {
    const native = NativeSteps.open(this.#node, view, this.#options);
    // The first job of the plan is told of a failure.
    native.catch(() => {});
    this.#native = native;
    if (view.plan.topology === 'centralized') this.#add({ serve: true });
  }

  /** A KV cache that missed a step is worthless until the group recomputes it, under another plan. */
  #onStep(step: number, batch: StepJob): void {
    if (step === this.#lastStep + 1) {
      this.#lastStep = step;
      this.#add({ step, batch });
      return;
    }
    this.#leaveEpoch(new Error(`Step ${step} of epoch ${this.#epoch} does not follow step ${this.#lastStep}.`));
  }

  async #execute(job: Job): Promise<void> {
    const [view, opening] = [this.#view, this.#native];
    if (view === null || opening === null) return;
    try {
      const native = await opening;
      if ('serve' in job) await native.serve((problem) => this.#options.onProblem?.(problem));
      else await native.run(job.step, job.batch, null, null);
    } catch (thrown) {
      if (thrown instanceof Superseded || view !== this.#view || this.#stopped) return;
      // Other work of a centralized plan may still succeed elsewhere; a decentralized member is out of step.
      if ('step' in job) this.#report(view, job.step, thrown);
      this.#leaveEpoch(thrown);
    }
  }

  #report({ plan, leader }: GroupView, step: number, thrown: unknown): void {
    const { layers } = expertShape(this.#options.session.description);
    this.#node.link.reportFailure(plan, leader, { step, layers: layers.length, text: failureText(thrown) });
  }

  #leaveEpoch(reason: unknown): void {
    this.#view = null;
    this.#jobs = [];
    this.#options.onProblem?.(reason);
  }
}
