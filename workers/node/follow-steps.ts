// A member of a group that does not lead: executes what the group's step log and the leader's work frames say, under
// whatever plan is the newest, until told to stop. Keeps nothing that another process could not have.

import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { LayerFrame } from '../../infra/messages/layer-frame.ts';
import type { StepJob } from '../../infra/messages/step-job.ts';
import { expertShape } from '../../native/model-description.ts';
import type { ModelSession } from '../../native/model-session.ts';
import { ExchangeLink } from '../exchange/exchange-link.ts';
import { ExchangeRoutes } from '../exchange/exchange-routes.ts';
import { IncomingFrames, Superseded } from '../exchange/incoming-frames.ts';
import type { LogEntry } from '../exchange/step-log.ts';
import { ExpertAssigner } from './assign-experts.ts';
import { DecentralizedStep } from './decentralized-step.ts';
import { type GroupView, viewGroup } from './group-view.ts';
import { LayerWork, type LoadPolicy } from './layer-work.ts';
import { NativeSteps } from './native-steps.ts';
import { failureBody, type NodeParts } from './node-parts.ts';
import { decodeWork } from './work-body.ts';

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
  readonly policy?: (view: GroupView) => LoadPolicy;
  /** A newer plan was read; `member` says whether it names this process. */
  readonly onPlan?: (plan: GroupPlan, member: boolean) => void;
  /** Something was dropped, refused or is tried again; the node goes on. */
  readonly onProblem?: (problem: unknown) => void;
}

type Job =
  | { readonly step: number; readonly batch: StepJob }
  | { readonly work: LayerFrame }
  /** Work of all steps of a centralized plan. */
  | { readonly serve: Promise<NativeSteps> };

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
  #work: LayerWork | null = null;
  #native: Promise<NativeSteps> | null = null;
  #lastStep = 0;
  #jobs: Job[] = [];
  #wake: () => void = () => {};
  #stopped = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    const link = new ExchangeLink(options, {
      onLog: (entry) => this.#onLog(entry),
      onFrame: (from, frame) => this.#onFrame(from, frame),
      onBadEntry: (_, problem) => options.onProblem?.(problem),
      onProblem: (problem) => options.onProblem?.(problem),
    });
    this.#node = { session: options.session, link, incoming: new IncomingFrames(), routes: new ExchangeRoutes() };
  }

  async run(stop: AbortSignal): Promise<void> {
    const halt = (): void => {
      this.#stopped = true;
      this.#node.incoming.interrupt(new Superseded());
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
    this.#view = viewGroup(plan, this.#options, expertShape(session.description).experts);
    this.#node.incoming.beginEpoch(plan.epoch);
    this.#native = null;
    if (this.#view === null) this.#node.link.followLog();
    else this.#join(this.#view);
    this.#options.onPlan?.(plan, this.#view !== null);
  }

  #join(view: GroupView): void {
    try {
      this.#work = new LayerWork(this.#options.session, view, this.#policyOf(view));
      this.#native = this.#options.policy === undefined ? NativeSteps.open(this.#node, view, this.#options) : null;
      // The first job of the plan is told of a failure.
      this.#native?.catch(() => {});
      this.#node.link.usePlan(view.plan, view.me, this.#native === null);
      if (this.#native !== null && view.plan.topology === 'centralized') this.#add({ serve: this.#native });
    } catch (thrown) {
      this.#leaveEpoch(thrown);
    }
  }

  #policyOf(view: GroupView): LoadPolicy {
    const { holders, speed, plan } = view;
    return this.#options.policy?.(view) ?? new ExpertAssigner({ holders, speed, members: plan.members.length });
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

  #onFrame(from: number, frame: LayerFrame): void {
    if (frame.epoch !== this.#epoch || this.#view === null) return;
    if (frame.kind === 'work') this.#add({ work: frame });
    else this.#node.incoming.arrive(from, frame);
  }

  async #execute(job: Job): Promise<void> {
    const view = this.#view;
    const work = this.#work;
    if (view === null || work === null) return;
    try {
      if ('serve' in job) await (await job.serve).serve((problem) => this.#options.onProblem?.(problem));
      else if ('work' in job) await this.#runWork(view, job.work);
      else if (this.#native !== null) await (await this.#native).run(job.step, job.batch, null, null);
      else await new DecentralizedStep(this.#node, view, work, job.step, null).run(job.batch, null);
    } catch (thrown) {
      if (thrown instanceof Superseded || view !== this.#view || this.#stopped) return;
      if ('serve' in job) this.#leaveEpoch(thrown);
      else this.#report(view, job, thrown);
    }
  }

  async #runWork(view: GroupView, frame: LayerFrame): Promise<void> {
    const { session } = this.#options;
    const outputs = Buffer.allocUnsafeSlow(frame.slots * session.activationBytes);
    const startedMs = performance.now();
    await session.runExperts(decodeWork(frame, outputs));
    const slots = frame.slots - frame.padding;
    this.#answer(view, {
      ...frame,
      kind: 'outputs',
      slots,
      padding: 0,
      expertMicros: Math.round((performance.now() - startedMs) * 1e3),
      body: outputs.subarray(0, slots * session.activationBytes),
    });
  }

  /** Tells the leader. Other shares of centralized work may still succeed; a decentralized member is out of step. */
  #report(view: GroupView, job: Exclude<Job, { serve: unknown }>, thrown: unknown): void {
    const failure = { kind: 'failure', rows: 0, width: 0, slots: 0, padding: 0, digest: 0, expertMicros: 0 } as const;
    const body = failureBody(thrown);
    if ('work' in job) {
      this.#options.onProblem?.(thrown);
      this.#answer(view, { ...job.work, ...failure, body });
      return;
    }
    const { epoch } = view.plan;
    // After the frames of all layers.
    const layer = expertShape(this.#options.session.description).layers.length;
    this.#answer(view, { ...failure, dtype: 'f32', epoch, step: job.step, layer, attempt: 0, body });
    this.#leaveEpoch(thrown);
  }

  #answer(view: GroupView, frame: LayerFrame): void {
    if (view === this.#view) this.#node.link.sendTo(view.leader, frame, 0);
  }

  #leaveEpoch(reason: unknown): void {
    this.#view = null;
    this.#jobs = [];
    this.#options.onProblem?.(reason);
  }
}
