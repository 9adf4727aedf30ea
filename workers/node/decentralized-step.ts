// A step of a decentralized group on one of its members: attention and router here, experts wherever they are, outputs from
// all to all, once per layer. Leader and followers run the same; only the leader gets the last layer's outputs.

import type { FrameKind, LayerFrame } from '../../infra/messages/layer-frame.ts';
import { type ActivationType, expertShape } from '../../native/model-description.ts';
import type { Contribution, StepBatch } from '../../native/model-session.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import type { WaitTimeout } from '../exchange/incoming-frames.ts';
import { ALL_TO_ALL_ROWS, type ExchangeMode, exchangeMode, ownedRows } from './exchange-mode.ts';
import { type GroupView, memberId } from './group-view.ts';
import type { HopDeadline } from './hop-deadline.ts';
import type { LayerWork, OwnOutputs } from './layer-work.ts';
import { failureOf, type NodeParts, refuseOtherSize } from './node-parts.ts';
import { StepFailure } from './step-failure.ts';
import type { StepStatistics } from './step-statistics.ts';

/** What only the leader has. */
export interface Lead {
  readonly deadline: HopDeadline;
  readonly statistics: StepStatistics;
}

/** Frames of the layer before may still be unread somewhere; nothing older is. */
const KEPT_LAYERS = 1;
/** Small steps: members without slots send nothing until the last layer, so others may be a whole step behind. */
const KEEP_STEP = -1;

export class DecentralizedStep {
  readonly #node: NodeParts;
  readonly #view: GroupView;
  readonly #work: LayerWork;
  readonly #step: number;
  readonly #lead: Lead | null;
  readonly #members: number;
  readonly #layers: number;
  readonly #width: number;
  readonly #dtype: ActivationType;
  #rows = 0;
  #mode: ExchangeMode = 'all';
  #digest = 0;
  /** Sums of all rows [rows, dModel], when rows have owners. */
  #sums = new Float32Array(0);

  constructor(node: NodeParts, view: GroupView, work: LayerWork, step: number, lead: Lead | null) {
    const { dModel, activations } = node.session.description;
    this.#node = node;
    this.#view = view;
    this.#work = work;
    this.#step = step;
    this.#lead = lead;
    this.#members = view.plan.members.length;
    this.#layers = expertShape(node.session.description).layers.length;
    this.#width = dModel;
    this.#dtype = activations;
  }

  /**
   * Executes the batch; the leader's logits go where `output` says. Rejects with StepFailure, with Superseded when
   * a newer plan is in force, or with NativeError.
   */
  async run(batch: StepBatch, output: StepOutput | null): Promise<void> {
    this.#begin(batch.tokens.length);
    this.#node.session.begin(batch);
    let before: Contribution | null = null;
    for (let layer = 0; layer < this.#layers; layer += 1) {
      const startedMs = performance.now();
      await this.#node.session.attend(layer, before, this.#work.attendResult(null));
      this.#work.assign(layer);
      this.#digest = this.#work.digest();
      const attendedMs = this.#lead?.statistics.since(startedMs, 'attend') ?? 0;
      const own = await this.#work.runOwn(layer);
      this.#lead?.statistics.since(attendedMs, 'experts');
      before = await this.#exchange(layer, own);
    }
    if (before === null || output === null) return;
    const startedMs = performance.now();
    await this.#node.session.project(before, output);
    this.#lead?.statistics.since(startedMs, 'project');
  }

  #begin(rows: number): void {
    const { topK } = this.#work;
    this.#rows = rows;
    this.#work.begin(rows);
    const activationBytes = this.#dtype === 'bf16' ? 2 : 4;
    this.#mode = exchangeMode({ rows, topK, members: this.#members, activationBytes });
    if (this.#mode === 'owners') this.#sums = new Float32Array(rows * this.#width);
  }

  /** What the layer's experts contribute; null on followers after the last layer, where it is not needed. */
  async #exchange(layer: number, own: OwnOutputs): Promise<Contribution | null> {
    if (layer === this.#layers - 1) return this.#toLeader(layer, own);
    return this.#mode === 'all' ? this.#allToAll(layer, own) : this.#byOwners(layer, own);
  }

  /** Frames of all members, with slots or without: one more than a step behind the leader may find its frames trimmed. */
  async #toLeader(layer: number, own: OwnOutputs): Promise<Contribution | null> {
    const { leader, me } = this.#view;
    if (me === leader) return this.#gatherAll(layer, own, () => true);
    const frame = this.#frame('outputs', layer, this.#work.countOf(me), own.body, own.ms);
    this.#node.link.sendTo(leader, frame, this.#kept());
    return null;
  }

  async #allToAll(layer: number, own: OwnOutputs): Promise<Contribution> {
    const { me } = this.#view;
    if (this.#sends(me)) {
      const frame = this.#frame('outputs', layer, this.#work.countOf(me), own.body, own.ms);
      this.#node.link.broadcast(frame, this.#kept());
    }
    return this.#gatherAll(layer, own, (member) => this.#sends(member));
  }

  async #gatherAll(layer: number, own: OwnOutputs, sends: (member: number) => boolean): Promise<Contribution> {
    const { me } = this.#view;
    this.#work.place(this.#work.slotsOf(me), own.body);
    const expected = this.#others(sends);
    await this.#gather(layer, 'outputs', expected, own.ms, (from, frame) => {
      const slots = this.#work.slotsOf(from);
      this.#check(from, frame, slots.length, this.#rows);
      this.#work.place(slots, frame.body);
    });
    return { outputs: this.#work.outputs };
  }

  /** Outputs go to the owners of their rows, which sum them; sums go to all. */
  async #byOwners(layer: number, own: OwnOutputs): Promise<Contribution> {
    const { me } = this.#view;
    const [first, end] = this.#owned(me);
    this.#placeOwn(own);
    this.#sendToOwners(layer, own);
    const expected = this.#others((member) => this.#slotsFor(member, me).length > 0);
    await this.#gather(layer, 'outputs', expected, own.ms, (from, frame) => {
      const slots = this.#slotsFor(from, me);
      this.#check(from, frame, slots.length, end - first);
      this.#work.place(slots, frame.body);
    });
    const sums = this.#sums.subarray(first * this.#width, end * this.#width);
    const { topK, rowBytes } = this.#work;
    const outputs = this.#work.outputs.subarray(first * topK * rowBytes, end * topK * rowBytes);
    if (end > first) {
      await this.#node.session.sumOutputs(first, end - first, outputs, sums);
      this.#node.link.broadcast(this.#frame('sums', layer, 0, bytesOf(sums), 0, end - first), KEPT_LAYERS);
    }
    await this.#gatherSums(layer, own.ms);
    return { sums: this.#sums };
  }

  #placeOwn(own: OwnOutputs): void {
    const { me } = this.#view;
    const { rowBytes } = this.#work;
    const slots = this.#slotsFor(me, me);
    const skipped = this.#slotsBefore(me);
    this.#work.place(slots, own.body.subarray(skipped * rowBytes, (skipped + slots.length) * rowBytes));
  }

  /** Slots ascend by row, so that those of one owner lie together. */
  #sendToOwners(layer: number, own: OwnOutputs): void {
    const { rowBytes } = this.#work;
    let at = 0;
    for (let owner = 0; owner < this.#members; owner += 1) {
      const count = this.#slotsFor(this.#view.me, owner).length;
      const body = own.body.subarray(at * rowBytes, (at + count) * rowBytes);
      at += count;
      if (owner === this.#view.me || count === 0) continue;
      const [first, end] = this.#owned(owner);
      const frame = this.#frame('outputs', layer, count, body, own.ms, end - first);
      this.#node.link.sendTo(owner, frame, KEPT_LAYERS);
    }
  }

  async #gatherSums(layer: number, ownMs: number): Promise<void> {
    const expected = this.#others((member) => {
      const [first, end] = this.#owned(member);
      return end > first;
    });
    await this.#gather(layer, 'sums', expected, ownMs, (from, frame) => {
      const [first, end] = this.#owned(from);
      this.#check(from, frame, 0, end - first);
      bytesOf(this.#sums).set(frame.body, first * this.#width * Float32Array.BYTES_PER_ELEMENT);
    });
  }

  /** Waits for one frame of each expected member. */
  async #gather(
    layer: number,
    kind: FrameKind,
    expected: Set<number>,
    ownMs: number,
    take: (from: number, frame: LayerFrame) => void,
  ): Promise<void> {
    if (expected.size === 0) return;
    const startedMs = performance.now();
    const accept = (from: number, frame: LayerFrame): boolean => {
      if (frame.kind === 'failure') throw failureOf(this.#view, from, frame.body);
      if (!expected.has(from)) return false;
      take(from, frame);
      expected.delete(from);
      const waitedMs = performance.now() - startedMs;
      this.#lead?.statistics.frame(memberId(this.#view, from), frame.slots, frame.expertMicros, waitedMs);
      return expected.size === 0;
    };
    const point = { epoch: this.#view.plan.epoch, step: this.#step, layer, kind };
    await this.#node.incoming.wait(point, accept, this.#timeout(expected, ownMs));
    const waitedMs = performance.now() - startedMs;
    this.#lead?.statistics.wait(waitedMs);
    this.#lead?.deadline.answered(this.#rows, waitedMs);
  }

  /** Followers wait until the leader times out and a newer plan comes. */
  #timeout(expected: ReadonlySet<number>, ownMs: number): WaitTimeout | null {
    if (this.#lead === null) return null;
    const onLate = (): never => {
      const lost = [...expected].map((member) => memberId(this.#view, member));
      throw new StepFailure('deadline', `No answer in time from ${lost.join(', ')}.`, lost);
    };
    return { ms: this.#lead.deadline.ms(this.#rows, ownMs), onLate };
  }

  #check(from: number, frame: LayerFrame, slots: number, rows: number): void {
    if (frame.digest !== this.#digest) {
      const id = memberId(this.#view, from);
      throw new StepFailure('routing', `The routing of layer ${frame.layer} differs from that of node ${id}.`);
    }
    const dtype = frame.kind === 'sums' ? 'f32' : this.#dtype;
    refuseOtherSize(this.#view, from, frame, { slots, rows, width: this.#width, dtype });
  }

  #frame(kind: FrameKind, layer: number, slots: number, body: Uint8Array, ms: number, rows = this.#rows): LayerFrame {
    return {
      kind,
      dtype: kind === 'sums' ? 'f32' : this.#dtype,
      epoch: this.#view.plan.epoch,
      step: this.#step,
      layer,
      attempt: 0,
      rows,
      width: this.#width,
      slots,
      digest: this.#digest,
      expertMicros: Math.round(ms * 1e3),
      padding: 0,
      body,
    };
  }

  /** With many rows every member sends a frame, from which the others learn its progress. */
  #sends(member: number): boolean {
    return this.#rows > ALL_TO_ALL_ROWS || this.#work.countOf(member) > 0;
  }

  #kept(): number {
    return this.#rows > ALL_TO_ALL_ROWS ? KEPT_LAYERS : KEEP_STEP;
  }

  #others(included: (member: number) => boolean): Set<number> {
    const others = new Set<number>();
    for (let member = 0; member < this.#members; member += 1) {
      if (member !== this.#view.me && included(member)) others.add(member);
    }
    return others;
  }

  #owned(member: number): readonly [first: number, end: number] {
    return ownedRows(member, this.#members, this.#rows);
  }

  /** The slots of `member` in rows of `owner`. */
  #slotsFor(member: number, owner: number): Int32Array {
    const [first, end] = this.#owned(owner);
    const slots = this.#work.slotsOf(member);
    return slots.subarray(lowerBound(slots, first * this.#work.topK), lowerBound(slots, end * this.#work.topK));
  }

  #slotsBefore(owner: number): number {
    const [first] = this.#owned(owner);
    return lowerBound(this.#work.slotsOf(this.#view.me), first * this.#work.topK);
  }
}

/** Index of the first value that is not below `bound`; values ascend. */
function lowerBound(values: Int32Array, bound: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
