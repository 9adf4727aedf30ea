// Steps of a group as one native call each, in which the computing thread talks to the exchange itself (decisions 0079 and
// 0133). In: a batch. Out: sampled tokens or logits, or a StepFailure. Plans, deadlines' history and suspicion are kept here.
import { setTimeout as delay } from 'node:timers/promises';
import type {
  ExchangeAddress,
  GroupMember,
  GroupPlace,
  GroupStepReport,
  GroupStreams,
} from '../../native/group-member.ts';
import type { LoadPolicy } from '../../native/load-policy.ts';
import type { StepBatch } from '../../native/model-session.ts';
import { NativeError } from '../../native/native-error.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import type { ExchangeRoutes } from '../exchange/exchange-routes.ts';
import { broadcastStream, directStream, incomingStreams } from '../exchange/frame-streams.ts';
import { type GroupView, memberId } from './group-view.ts';
import type { HopDeadline } from './hop-deadline.ts';
import { failureOf, type NodeParts } from './node-parts.ts';
import { StepFailure } from './step-failure.ts';
import type { StepStatistics } from './step-statistics.ts';

export interface NativeStepOptions {
  readonly nodeId: string;
  /** The group's exchange. */
  readonly exchangeUrl: string;
  /** Default: the smallest largest load. */
  readonly policy?: LoadPolicy;
}

/** What only the leader has. */
export interface Lead {
  readonly deadline: HopDeadline;
  readonly statistics: StepStatistics;
}

/** Before an exchange that is away is tried again; doubled each time. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

export class NativeSteps {
  readonly #node: NodeParts;
  readonly #view: GroupView;
  readonly #member: GroupMember;
  /** Of the plan's epoch. */
  readonly #over: AbortSignal;
  /** Member -> why it gets no more work under this plan. */
  readonly #suspects = new Map<number, string>();

  private constructor(node: NodeParts, view: GroupView, member: GroupMember, over: AbortSignal) {
    this.#node = node;
    this.#view = view;
    this.#member = member;
    this.#over = over;
    this.#over.addEventListener('abort', () => member.leave(), { once: true });
  }

  /** For the plan in force. Rejects with Superseded when it is not any more, with StepFailure when there is no way to an exchange. */
  static async open(node: NodeParts, view: GroupView, options: NativeStepOptions): Promise<NativeSteps> {
    const over = node.epochs.signal;
    const streams = await streamsOf(view, options.exchangeUrl, node.routes);
    over.throwIfAborted();
    const { plan, me, leader, holders, speed } = view;
    const { epoch, topology } = plan;
    const name = `conclave:native-steps:${options.nodeId}`;
    const policy = options.policy ?? { name: 'least' };
    const place: GroupPlace = { policy, topology, epoch, me, leader, holders, speed, name, ...streams };
    return new NativeSteps(node, view, node.session.joinGroup(place), over);
  }

  /** Ids of members that get no more work under this plan. */
  get suspects(): readonly string[] {
    return this.#lost();
  }

  /**
   * Executes the batch; the leader's logits go where `output` says. Rejects with StepFailure, with Superseded when a
   * newer plan is in force, or with NativeError.
   */
  async run(step: number, batch: StepBatch, output: StepOutput | null, lead: Lead | null): Promise<void> {
    this.#over.throwIfAborted();
    const rows = batch.tokens.length;
    const order = { step, timeout: lead?.deadline.terms(rows) ?? null, suspects: [...this.#suspects.keys()] };
    const report = await this.#step(() => this.#node.session.groupStep(this.#member, order, batch, output));
    for (const { member, why } of report.replaced) this.#suspect(member, why);
    if (lead !== null) this.#note(report, rows, lead);
    if (report.trouble !== 'none') throw this.#failure(report);
  }

  /**
   * Computes experts for the leader of a centralized plan until another is in force; then rejects with Superseded. `onProblem`
   * is told what could not be computed; the exchange is tried again for as long as it takes.
   */
  async serve(onProblem: (problem: unknown) => void): Promise<never> {
    for (let pauseMs = FIRST_PAUSE_MS; ; ) {
      this.#over.throwIfAborted();
      try {
        onProblem(new Error(await this.#step(() => this.#node.session.serveExperts(this.#member))));
        pauseMs = FIRST_PAUSE_MS;
      } catch (thrown) {
        if (!(thrown instanceof StepFailure)) throw thrown;
        onProblem(thrown);
        await delay(pauseMs);
        pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs);
      }
    }
  }

  async #step<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (thrown) {
      if (!(thrown instanceof NativeError)) throw thrown;
      if (thrown.code === 'interrupted') throw this.#over.reason;
      if (thrown.code === 'exchange') throw new StepFailure('exchange', thrown.message, [], thrown);
      throw thrown;
    }
  }

  #note(report: GroupStepReport, rows: number, { statistics, deadline }: Lead): void {
    statistics.seconds.attend += report.attendSeconds;
    statistics.seconds.experts += report.expertSeconds;
    statistics.seconds.project += report.projectSeconds;
    statistics.sent(report.framesSent, report.bytesSent);
    for (const ms of report.waitsMs) {
      statistics.wait(ms);
      // What was handed over took longer than is normal.
      if (report.replaced.length === 0) deadline.answered(rows, ms);
    }
    for (const [member, share] of report.members.entries()) {
      if (share.frames > 0) statistics.share(memberId(this.#view, member), share);
    }
    if (report.trouble === 'bad_frame') statistics.badFrames += 1;
  }

  #suspect(member: number, why: string): void {
    const reason = why === '' ? 'No answer in time.' : failureOf(this.#view, member, why).message;
    this.#suspects.set(member, `${memberId(this.#view, member)}: ${reason}`);
  }

  #lost(): readonly string[] {
    return [...this.#suspects.keys()].sort((a, b) => a - b).map((member) => memberId(this.#view, member));
  }

  #failure({ trouble, culprits, text }: GroupStepReport): StepFailure {
    const ids = culprits.map((member) => memberId(this.#view, member));
    const named = ids.join(', ');
    switch (trouble) {
      case 'late':
        return new StepFailure('deadline', `No answer in time from ${named}.`, ids);
      case 'routing':
        return new StepFailure('routing', `The routing of layer ${text} differs from that of node ${named}.`);
      case 'failure':
        return failureOf(this.#view, culprits[0] ?? 0, text);
      case 'no_holder': {
        const reasons = [...this.#suspects.values()].join(' ');
        return new StepFailure('no_holder', `An expert has no holder left. ${reasons}`, this.#lost());
      }
      default:
        return new StepFailure('member', `Node ${named}: ${text}`, ids);
    }
  }
}

async function streamsOf(
  { plan, me }: GroupView,
  groupUrl: string,
  routes: ExchangeRoutes,
): Promise<Omit<GroupStreams, 'name'>> {
  const urlOf = (member: number): string => plan.members[member]?.exchangeUrl ?? groupUrl;
  const others = [...plan.members.keys()].filter((member) => member !== me);
  const urls = [...new Set([me, ...others].map(urlOf))];
  const exchanges = await Promise.all(urls.map((url) => addressOf(url, routes)));
  const nodeId = plan.members[me]?.id ?? '';
  const toAll = broadcastStream(plan, nodeId);
  return {
    exchanges,
    toAll: [...new Set(others.map(urlOf))].map((url) => ({ exchange: urls.indexOf(url), key: toAll })),
    toMember: plan.members.map(({ id }, member) => ({
      exchange: urls.indexOf(urlOf(member)),
      key: member === me ? '' : directStream(plan, nodeId, id),
    })),
    incoming: incomingStreams(plan, me),
  };
}

async function addressOf(url: string, routes: ExchangeRoutes): Promise<ExchangeAddress> {
  try {
    return await routes.addressOf(url);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StepFailure('exchange', `There is no way to the exchange: ${why}`, [], cause);
  }
}
