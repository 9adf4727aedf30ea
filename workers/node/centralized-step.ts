// A step of a centralized group on its leader: attention and router here, rows to the members that hold their experts, and
// outputs back. A member that is late gets nothing more; its share goes to others that hold the same experts.

import type { LayerFrame } from '../../infra/messages/layer-frame.ts';
import { expertShape } from '../../native/model-description.ts';
import type { Contribution, StepBatch } from '../../native/model-session.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import { MAX_ATTEMPTS } from '../exchange/frame-id.ts';
import { type GroupView, memberId } from './group-view.ts';
import type { HopDeadline } from './hop-deadline.ts';
import type { LayerWork } from './layer-work.ts';
import { failureOf, type NodeParts, refuseOtherSize } from './node-parts.ts';
import { StepFailure } from './step-failure.ts';
import type { StepStatistics } from './step-statistics.ts';
import type { SuspectAwarePolicy } from './suspect-aware-policy.ts';
import { encodeWork } from './work-body.ts';

export interface CentralizedParts extends NodeParts {
  readonly view: GroupView;
  readonly work: LayerWork;
  readonly policy: SuspectAwarePolicy;
  readonly deadline: HopDeadline;
  readonly statistics: StepStatistics;
}

/** Slots that one member was asked for in one frame. */
interface Share {
  readonly member: number;
  readonly attempt: number;
  readonly slots: Int32Array;
  /** Rows that the slots are of. */
  readonly rows: number;
}

export class CentralizedStep {
  readonly #parts: CentralizedParts;
  readonly #step: number;
  #layer = 0;
  #rows = 0;
  /** The experts' input of all rows [rows, dModel]. */
  #hidden = new Uint8Array(0);
  /** Shares without an answer. */
  #open: Share[] = [];
  /** Computing what was taken over from others, one share after the other. */
  #takenOver: Promise<void> = Promise.resolve();
  #attempt = 0;

  constructor(parts: CentralizedParts, step: number) {
    this.#parts = parts;
    this.#step = step;
  }

  /**
   * Executes the batch; logits go where `output` says. Rejects with StepFailure when no live member holds an expert,
   * or with NativeError.
   */
  async run(batch: StepBatch, output: StepOutput): Promise<void> {
    const { session, work, statistics } = this.#parts;
    this.#rows = batch.tokens.length;
    work.begin(this.#rows);
    session.begin(batch);
    this.#hidden = new Uint8Array(this.#rows * work.rowBytes);
    let before: Contribution | null = null;
    for (this.#layer = 0; this.#layer < expertShape(session.description).layers.length; this.#layer += 1) {
      await this.#attend(before);
      this.#giveOut();
      await this.#gather(await this.#computeOwn());
      before = { outputs: work.outputs };
    }
    const startedMs = performance.now();
    if (before !== null) await session.project(before, output);
    statistics.since(startedMs, 'project');
  }

  async #attend(before: Contribution | null): Promise<void> {
    const { session, work, statistics } = this.#parts;
    const startedMs = performance.now();
    await session.attend(this.#layer, before, work.attendResult(this.#hidden));
    work.assign(this.#layer);
    statistics.since(startedMs, 'attend');
  }

  #giveOut(): void {
    const { view, work } = this.#parts;
    this.#open = [];
    this.#attempt = 0;
    for (let member = 0; member < view.plan.members.length; member += 1) {
      const padding = work.paddingOf(member);
      if (member === view.me || work.countOf(member) + padding.length === 0) continue;
      this.#send(member, work.slotsOf(member), padding);
    }
  }

  async #computeOwn(): Promise<number> {
    const { view, work, statistics } = this.#parts;
    const startedMs = performance.now();
    const own = await work.runOwn(this.#layer);
    work.place(work.slotsOf(view.me), own.body);
    statistics.since(startedMs, 'experts');
    return own.ms;
  }

  async #gather(ownMs: number): Promise<void> {
    if (this.#open.length === 0) return;
    const { view, incoming, deadline, statistics } = this.#parts;
    const startedMs = performance.now();
    const point = { epoch: view.plan.epoch, step: this.#step, layer: this.#layer, kind: 'outputs' } as const;
    const timeout = {
      ms: deadline.ms(this.#rows, ownMs),
      onLate: () => this.#reassign(deadline.ms(this.#rows, ownMs)),
    };
    const accept = (from: number, frame: LayerFrame) => this.#take(from, frame, performance.now() - startedMs);
    try {
      await incoming.wait(point, accept, timeout);
    } finally {
      await this.#takenOver;
    }
    const waitedMs = performance.now() - startedMs;
    statistics.wait(waitedMs);
    if (this.#attempt === 0) deadline.answered(this.#rows, waitedMs);
  }

  /** True when nothing is missing any more. */
  #take(from: number, frame: LayerFrame, waitedMs: number): boolean {
    const { view, work, statistics, session } = this.#parts;
    if (frame.kind === 'failure') return this.#replace(from, frame);
    const share = this.#open.find(({ member, attempt }) => member === from && attempt === frame.attempt);
    if (share === undefined) return this.#open.length === 0;
    const { dModel, activations } = session.description;
    const expected = {
      slots: share.slots.length,
      rows: share.rows,
      width: dModel,
      dtype: activations,
    };
    refuseOtherSize(view, from, frame, expected);
    work.place(share.slots, frame.body);
    statistics.frame(memberId(view, from), frame.slots, frame.expertMicros, waitedMs);
    this.#open = this.#open.filter((other) => other !== share);
    return this.#open.length === 0;
  }

  /** A member says that it cannot: its shares go to others at once. */
  #replace(from: number, frame: LayerFrame): boolean {
    if (!this.#open.some(({ member }) => member === from)) return false;
    this.#handOver(new Set([from]), failureOf(this.#parts.view, from, frame.body).message);
    return this.#open.length === 0;
  }

  #reassign(nextMs: number): number | null {
    this.#handOver(new Set(this.#open.map(({ member }) => member)), 'No answer in time.');
    // What this node took over itself needs no waiting for frames.
    return this.#open.length === 0 ? null : nextMs;
  }

  /** Gives the open shares of `late` members to other holders. Throws StepFailure when there are none. */
  #handOver(late: ReadonlySet<number>, why: string): void {
    const { view, work, policy } = this.#parts;
    for (const member of late) policy.suspect(member, `${memberId(view, member)}: ${why}`);
    this.#attempt += 1;
    if (this.#attempt >= MAX_ATTEMPTS) {
      const lost = policy.suspects.map((member) => memberId(view, member));
      throw new StepFailure('deadline', 'No member answers in time.', lost);
    }
    const orphans = this.#open.filter(({ member }) => late.has(member));
    this.#open = this.#open.filter(({ member }) => !late.has(member));
    const slots = Int32Array.from(orphans.flatMap((share) => [...share.slots])).sort();
    const nodes = new Int32Array(slots.length);
    policy.assign(
      slots.map((slot) => work.experts[slot] ?? 0),
      nodes,
    );
    for (const member of new Set(nodes)) {
      this.#reassignLost(
        member,
        slots.filter((_, index) => nodes[index] === member),
      );
    }
  }

  #reassignLost(member: number, slots: Int32Array): void {
    const { view, work } = this.#parts;
    if (member !== view.me) {
      this.#send(member, slots, []);
      return;
    }
    const layer = this.#layer;
    this.#takenOver = this.#takenOver.then(async () => {
      const { body } = await work.run(layer, slots);
      work.place(slots, body);
    });
    // Awaited when outputs are gathered; a rejection before that is not unhandled.
    this.#takenOver.catch(() => {});
  }

  #send(member: number, slots: Int32Array, padding: readonly number[]): void {
    const { view, work, link, session } = this.#parts;
    const { dModel, activations } = session.description;
    const { body, rows } = encodeWork(slots, padding, work, this.#hidden);
    this.#open.push({ member, attempt: this.#attempt, slots, rows });
    const frame: LayerFrame = {
      kind: 'work',
      dtype: activations,
      epoch: view.plan.epoch,
      step: this.#step,
      layer: this.#layer,
      attempt: this.#attempt,
      rows,
      width: dModel,
      slots: slots.length + padding.length,
      digest: 0,
      expertMicros: 0,
      padding: padding.length,
      body,
    };
    // A member that answers has read all earlier work, so frames of earlier layers need not be kept.
    link.sendTo(member, frame, 0);
  }
}
