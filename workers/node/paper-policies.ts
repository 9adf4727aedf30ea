// The policies of arXiv 2506.23635 that decide what each node computes in a layer, for comparison with ExpertAssigner:
// who computes a selected expert (round robin inside its group), and which experts a node computes besides, with results
// that are thrown away (L_B: all it holds; L_R: its least recently used, up to the busiest node's number).
import type { PaperGroup } from '../cluster/paper-groups.ts';
import type { Assigner } from './assign-experts.ts';

/** Experts that members compute beside the assigned ones, so that no weights go cold. */
export interface Padding {
  /** The further experts of each member. experts, nodes: [rows, topK], flat, as assigned. */
  extra(layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[];
}

/** L_R's dealing: of each row, the selected experts of a group go to its members in turn. */
export class GroupRoundRobin implements Assigner {
  readonly #topK: number;
  /** Group of each expert: [experts]. */
  readonly #groupOf: readonly number[];
  readonly #members: readonly (readonly number[])[];
  readonly #next: Int32Array;

  constructor(groups: readonly PaperGroup[], topK: number) {
    const experts = Math.max(...groups.flatMap((group) => group.experts)) + 1;
    this.#topK = topK;
    this.#members = groups.map((group) => group.members);
    this.#groupOf = Array.from({ length: experts }, (_, expert) =>
      groups.findIndex((group) => group.experts.includes(expert)),
    );
    this.#next = new Int32Array(groups.length);
  }

  assign(experts: Int32Array, nodes: Int32Array): void {
    for (let slot = 0; slot < experts.length; slot += 1) {
      if (slot % this.#topK === 0) this.#next.fill(0);
      const group = this.#groupOf[experts[slot] ?? 0] ?? 0;
      const members = this.#members[group] ?? [];
      const turn = this.#next[group] ?? 0;
      this.#next[group] = turn + 1;
      nodes[slot] = members[turn % members.length] ?? 0;
    }
  }
}

/** L_B, busy full loading: every member computes all that it holds. */
export class BusyFull implements Padding {
  readonly #held: readonly (readonly number[])[];

  constructor(held: readonly (readonly number[])[]) {
    this.#held = held;
  }

  extra(_layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[] {
    const assigned = assignedExperts(this.#held.length, experts, nodes);
    return this.#held.map((held, member) => held.filter((expert) => !assigned[member]?.has(expert)));
  }
}

/** L_R's padding: every member computes as many experts as the busiest, adding the ones it computed longest ago. */
export class LeastRecentlyUsed implements Padding {
  /** For each layer and member the experts held, the one computed longest ago first. */
  readonly #order: readonly (readonly Set<number>[])[];

  constructor(held: readonly (readonly number[])[], layers: number) {
    this.#order = Array.from({ length: layers }, () => held.map((experts) => new Set(experts)));
  }

  extra(layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[] {
    const order = this.#order[layer] ?? [];
    const assigned = assignedExperts(order.length, experts, nodes);
    const busiest = Math.max(...assigned.map(({ size }) => size));
    return order.map((recent, member) => {
      const own = assigned[member] ?? new Set();
      for (const expert of own) moveToEnd(recent, expert);
      const added = [...recent].slice(0, recent.size - own.size).slice(0, busiest - own.size);
      for (const expert of added) moveToEnd(recent, expert);
      return added;
    });
  }
}

function moveToEnd(order: Set<number>, expert: number): void {
  order.delete(expert);
  order.add(expert);
}

function assignedExperts(members: number, experts: Int32Array, nodes: Int32Array): readonly Set<number>[] {
  const assigned = Array.from({ length: members }, () => new Set<number>());
  for (const [slot, expert] of experts.entries()) assigned[nodes[slot] ?? 0]?.add(expert);
  return assigned;
}
