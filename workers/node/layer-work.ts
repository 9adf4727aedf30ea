// One layer of a step on one member: the routing, who computes what, this member's share, and the outputs of all as they
// come together. In: what attend wrote. Out: slots, frame bodies, and the contribution to the next layer. No Redis here.
import { expertShape } from '../../native/model-description.ts';
import type { AttendResult, ModelSession } from '../../native/model-session.ts';
import type { Assigner } from './assign-experts.ts';
import type { GroupView } from './group-view.ts';
import { routingDigest } from './routing-digest.ts';
import { SlotLists } from './slot-lists.ts';

/** Decides who computes what. */
export interface LoadPolicy extends Assigner {
  /** Experts that each member computes beside its share, to no end but to touch their weights: [members][...experts]. */
  padding?(layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[];
}

/** What this member's experts computed. */
export interface OwnOutputs {
  /** [slots, dModel] in the activation type, in the order of the member's slots. */
  readonly body: Buffer;
  readonly ms: number;
}

export class LayerWork {
  readonly rowBytes: number;
  readonly topK: number;
  readonly #session: ModelSession;
  readonly #view: GroupView;
  readonly #policy: LoadPolicy;
  readonly #lists: SlotLists;
  readonly #experts: Int32Array;
  readonly #weights: Float32Array;
  readonly #nodes: Int32Array;
  /** Rows and experts of the slots that are to be computed here. */
  readonly #ownRows: Int32Array;
  readonly #ownExperts: Int32Array;
  #outputs = new Uint8Array(0);
  #rows = 0;
  #padding: readonly (readonly number[])[] = [];

  constructor(session: ModelSession, view: GroupView, policy: LoadPolicy) {
    const { topK } = expertShape(session.description);
    const slots = session.options.maxRows * topK;
    this.#session = session;
    this.#view = view;
    this.#policy = policy;
    this.rowBytes = session.activationBytes;
    this.topK = topK;
    this.#lists = new SlotLists(slots, view.plan.members.length);
    this.#experts = new Int32Array(slots);
    this.#weights = new Float32Array(slots);
    this.#nodes = new Int32Array(slots);
    this.#ownRows = new Int32Array(slots);
    this.#ownExperts = new Int32Array(slots);
  }

  /** Rows of the step at hand. */
  get rows(): number {
    return this.#rows;
  }

  /** Experts of the layer at hand: [rows, topK]. */
  get experts(): Int32Array {
    return this.#experts.subarray(0, this.#rows * this.topK);
  }

  /** Outputs of all slots as far as they have been placed: [rows, topK, dModel]. */
  get outputs(): Uint8Array {
    return this.#outputs;
  }

  begin(rows: number): void {
    this.#rows = rows;
    const bytes = rows * this.topK * this.rowBytes;
    if (this.#outputs.byteLength < bytes) this.#outputs = new Uint8Array(bytes);
  }

  /** Where attend writes. */
  attendResult(hidden: Uint8Array | null): AttendResult {
    return { experts: this.#experts, weights: this.#weights, hidden };
  }

  /** After attend: gives each slot to a member. Throws DomainError `unavailable` for an expert without a holder. */
  assign(layer: number): void {
    const experts = this.experts;
    this.#policy.assign(experts, this.#nodes);
    this.#lists.fill(this.#nodes, experts.length);
    this.#padding = this.#policy.padding?.(layer, experts, this.#nodes.subarray(0, experts.length)) ?? [];
  }

  digest(): number {
    return routingDigest(this.experts, this.#weights.subarray(0, this.#rows * this.topK));
  }

  /** The member's slots, ascending; a view that the next assign overwrites. */
  slotsOf(member: number): Int32Array {
    return this.#lists.of(member);
  }

  countOf(member: number): number {
    return this.#lists.count(member);
  }

  paddingOf(member: number): readonly number[] {
    return this.#padding[member] ?? [];
  }

  /** Computes this member's share of the layer attended last. Rejects with NativeError. */
  async runOwn(layer: number): Promise<OwnOutputs> {
    return this.run(layer, this.slotsOf(this.#view.me), this.paddingOf(this.#view.me));
  }

  /** Computes any slots whose experts this member holds, then `padding` to no end. */
  async run(layer: number, slots: Int32Array, padding: readonly number[] = []): Promise<OwnOutputs> {
    const count = slots.length + padding.length;
    const body = Buffer.allocUnsafeSlow(count * this.rowBytes);
    if (count === 0) return { body, ms: 0 };
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index] ?? 0;
      this.#ownRows[index] = Math.floor(slot / this.topK);
      this.#ownExperts[index] = this.#experts[slot] ?? 0;
    }
    this.#ownRows.fill(0, slots.length, count);
    this.#ownExperts.set(padding, slots.length);
    const startedMs = performance.now();
    await this.#session.runExperts({
      layer,
      rows: this.#ownRows.subarray(0, count),
      experts: this.#ownExperts.subarray(0, count),
      hidden: null,
      outputs: body,
    });
    return { body: body.subarray(0, slots.length * this.rowBytes), ms: performance.now() - startedMs };
  }

  /** Puts outputs [slots, dModel] where they belong among all. */
  place(slots: Int32Array, body: Uint8Array): void {
    const { rowBytes } = this;
    for (let index = 0; index < slots.length; ) {
      const first = slots[index] ?? 0;
      let run = 1;
      while (index + run < slots.length && slots[index + run] === first + run) run += 1;
      this.#outputs.set(body.subarray(index * rowBytes, (index + run) * rowBytes), first * rowBytes);
      index += run;
    }
  }
}
