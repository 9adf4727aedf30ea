// Steps of a decentralized group as one native call each, in which the computing thread talks to the exchange itself
// (decision 0079). In: a batch. Out: what DecentralizedStep gives, and in the same frames: every member may do it either way.
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { GroupMember, GroupStepReport } from '../../native/group-member.ts';
import type { StepBatch } from '../../native/model-session.ts';
import { NativeError } from '../../native/native-error.ts';
import { broadcastStream, directStream, incomingStreams } from '../exchange/frame-streams.ts';
import type { Lead } from './decentralized-step.ts';
import { exchangeAddress } from './exchange-address.ts';
import { type GroupView, memberId } from './group-view.ts';
import type { LoadPolicy } from './layer-work.ts';
import { failureOf, type NodeParts } from './node-parts.ts';
import { StepFailure } from './step-failure.ts';

export interface NativeStepOptions {
  readonly nodeId: string;
  /** The group's exchange. */
  readonly exchangeUrl: string;
  /** Who computes what, where that is not ExpertAssigner's choice. */
  readonly policy?: (view: GroupView) => LoadPolicy;
}

export class NativeSteps {
  readonly #node: NodeParts;
  readonly #view: GroupView;
  readonly #member: GroupMember;
  /** Of the plan's epoch. */
  readonly #over: AbortSignal;

  private constructor(node: NodeParts, view: GroupView, member: GroupMember) {
    this.#node = node;
    this.#view = view;
    this.#member = member;
    this.#over = node.incoming.signal;
    this.#over.addEventListener('abort', () => member.leave(), { once: true });
  }

  /**
   * For the plan in force; null where steps need DecentralizedStep: the native side knows no TLS, no exchanges of members'
   * own and no policy but ExpertAssigner's.
   */
  static open(node: NodeParts, view: GroupView, options: NativeStepOptions): NativeSteps | null {
    const { plan, me, leader, holders, speed } = view;
    const exchange = exchangeAddress(options.exchangeUrl);
    const shared = plan.members.every(({ exchangeUrl }) => exchangeUrl === null);
    const plain = plan.topology === 'decentralized' && shared && options.policy === undefined;
    if (!plain || exchange === null) return null;
    const streams = streamsOf(plan, me, options.nodeId);
    const name = `conclave:native-steps:${options.nodeId}`;
    const place = { epoch: plan.epoch, me, leader, holders, speed, exchange, name, ...streams };
    return new NativeSteps(node, view, node.session.joinGroup(place));
  }

  /** As DecentralizedStep.run. */
  async run(step: number, batch: StepBatch, logits: Float32Array | null, lead: Lead | null): Promise<void> {
    this.#over.throwIfAborted();
    const rows = batch.tokens.length;
    const order = { step, timeout: lead?.deadline.terms(rows) ?? null };
    const report = await this.#step(() => this.#node.session.groupStep(this.#member, order, batch, logits));
    if (lead !== null) this.#note(report, rows, lead);
    if (report.trouble !== 'none') throw this.#failure(report);
  }

  async #step(start: () => Promise<GroupStepReport>): Promise<GroupStepReport> {
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
      deadline.answered(rows, ms);
    }
    for (const [member, share] of report.members.entries()) {
      if (share.frames > 0) statistics.share(memberId(this.#view, member), share);
    }
    if (report.trouble === 'bad_frame') statistics.badFrames += 1;
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
        return failureOf(this.#view, culprits[0] ?? 0, Buffer.from(text));
      default:
        return new StepFailure('member', `Node ${named}: ${text}`, ids);
    }
  }
}

function streamsOf(plan: GroupPlan, me: number, nodeId: string) {
  return {
    toAll: broadcastStream(plan, nodeId),
    toMember: plan.members.map(({ id }, member) => (member === me ? '' : directStream(plan, nodeId, id))),
    incoming: incomingStreams(plan, me),
  };
}
