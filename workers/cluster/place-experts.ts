// Which member of a group holds which experts of one layer. In: the room of each member and what the layer's router chose so
// far. Out: the experts of each member. Pure and deterministic. place-layers.ts does it for every layer of a model.
//
// Replicas serve two ends: a member may be lost, and the assignment of each layer has a choice. The choice is widest when
// the holders of two experts overlap in as few members as possible, so replicas are spread over all pairs of members
// instead of the paper's fixed groups (docs/decisions/0081).
import { DomainError } from '../../infra/errors/domain-error.ts';

export interface PlacementMember {
  /** Experts of the layer that its memory has room for. */
  readonly slots: number;
  /** How fast it computes experts, relative to the others; default 1. */
  readonly speed?: number;
  /** Experts it holds already; they stay where possible. */
  readonly held?: readonly number[];
}

export interface PlacementInput {
  readonly experts: number;
  readonly members: readonly PlacementMember[];
  /** Rows that each expert was given, [experts]; null: nothing known, all alike. */
  readonly counts: Float64Array | null;
}

/**
 * The experts of each member, ascending. Every expert has a holder, and two when the members' memory allows; remaining
 * room takes further replicas of what is used most.
 * @throws DomainError `bad_config` saying how many slots are missing.
 */
export function placeExperts({ experts, members, counts }: PlacementInput): readonly (readonly number[])[] {
  const slots = members.map((member) => Math.min(member.slots, experts));
  const total = slots.reduce((sum, count) => sum + count, 0);
  refuseTooFewSlots(experts, total);
  const loads = expertLoads(counts, experts);
  const least = total >= 2 * experts ? 2 : 1;
  const order = loads.map((_, expert) => expert).sort((left, right) => (loads[right] ?? 0) - (loads[left] ?? 0));
  const draft = new PlacementDraft(members, slots, loads, replicaCounts(loads, total, least, membersWithRoom(slots)));
  draft.keepHeld(order);
  for (const expert of order) draft.replicate(expert, least);
  draft.fill(order);
  return draft.experts();
}

/** The members that hold each of `count` experts, ascending: a placement, of a layer or of all, as the assignment reads it. */
export function holdersOf(placement: readonly (readonly number[])[], count: number): readonly (readonly number[])[] {
  const holders = Array.from({ length: count }, (): number[] => []);
  for (const [member, held] of placement.entries()) for (const expert of held) holders[expert]?.push(member);
  return holders;
}

/** Throws DomainError `bad_config` when the members have fewer slots in a layer than it has experts. */
export function refuseTooFewSlots(experts: number, slots: number): void {
  if (slots >= experts) return;
  throw new DomainError(
    'bad_config',
    `The nodes together have room for ${slots} experts of a layer, but the model has ${experts}. Add a node or memory.`,
  );
}

function membersWithRoom(slots: readonly number[]): number {
  return slots.filter((count) => count > 0).length;
}

/** Share of each expert in the rows, relative to an even share: [experts]. */
function expertLoads(counts: Float64Array | null, experts: number): number[] {
  const sum = counts?.reduce((rows, count) => rows + count, 0) ?? 0;
  if (counts === null || sum === 0) return new Array<number>(experts).fill(1);
  return Array.from(counts, (count) => (count / sum) * experts);
}

/** `least` for each expert, then one more for the expert with the most load per replica while slots remain. */
function replicaCounts(loads: readonly number[], total: number, least: number, most: number): number[] {
  const counts = loads.map(() => Math.min(least, most));
  for (let left = total - least * loads.length; left > 0; left -= 1) {
    const next = bestOf(counts.keys(), (expert) =>
      (counts[expert] ?? 0) < most ? -(loads[expert] ?? 0) / (counts[expert] ?? 1) : null,
    );
    if (next === null) break;
    counts[next] = (counts[next] ?? 0) + 1;
  }
  return counts;
}

/** The candidate with the lowest cost, the first of equals; null costs are out. */
function bestOf(candidates: Iterable<number>, cost: (candidate: number) => number | null): number | null {
  let best: number | null = null;
  let lowest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const price = cost(candidate);
    if (price === null || price >= lowest) continue;
    best = candidate;
    lowest = price;
  }
  return best;
}

/**
 * How much the load that two members share counts beside the load of each. Found by trying: from 0.5 up holders spread
 * over all pairs (docs/decisions/0081), and the smallest such weight balances skewed loads best.
 */
const OVERLAP_WEIGHT = 0.5;

/** A placement in the making. */
class PlacementDraft {
  readonly #holders: Set<number>[];
  readonly #members: readonly PlacementMember[];
  readonly #room: number[];
  readonly #loads: readonly number[];
  readonly #wanted: readonly number[];
  /** Load of the experts that two members both hold, each divided among the replicas it is to have: [members][members]. */
  readonly #sharedLoad: number[][];

  constructor(
    members: readonly PlacementMember[],
    slots: readonly number[],
    loads: readonly number[],
    wanted: readonly number[],
  ) {
    this.#sharedLoad = members.map(() => new Array<number>(members.length).fill(0));
    this.#members = members;
    this.#room = [...slots];
    this.#loads = loads;
    this.#wanted = wanted;
    this.#holders = loads.map(() => new Set());
  }

  replicas(expert: number): number {
    return this.#holders[expert]?.size ?? 0;
  }

  /** Leaves each member what it holds, the most used first, as far as its room goes. */
  keepHeld(order: readonly number[]): void {
    for (const [member, { held = [] }] of this.#members.entries()) {
      const has = new Set(held);
      const kept = order.filter((expert) => has.has(expert)).slice(0, this.#room[member]);
      for (const expert of kept) this.#add(expert, member);
    }
  }

  /** Adds the replicas that the load asks for, as far as there is room; for the first `least` room is made. */
  replicate(expert: number, least: number): void {
    while (this.replicas(expert) < (this.#wanted[expert] ?? 0)) {
      const member = this.#bestMember(expert) ?? (this.replicas(expert) < least ? this.#makeRoom(expert, least) : null);
      if (member === null) return;
      this.#add(expert, member);
    }
  }

  /** Uses the room that is left. */
  fill(order: readonly number[]): void {
    for (;;) {
      const expert = bestOf(order, (candidate) =>
        this.#bestMember(candidate) === null ? null : -(this.#loads[candidate] ?? 0) / this.replicas(candidate),
      );
      if (expert === null) return;
      this.#add(expert, this.#bestMember(expert) ?? 0);
    }
  }

  experts(): number[][] {
    return this.#members.map((_, member) =>
      [...this.#holders.keys()].filter((expert) => this.#holders[expert]?.has(member)),
    );
  }

  /** The member with room that a replica of `expert` unbalances least; null when there is none. */
  #bestMember(expert: number): number | null {
    const holders = this.#holders[expert];
    return bestOf(this.#members.keys(), (member) => {
      if ((this.#room[member] ?? 0) === 0 || holders?.has(member)) return null;
      const shared = this.#sharedLoad[member] ?? [];
      let load = shared[member] ?? 0;
      for (const holder of holders ?? []) load += OVERLAP_WEIGHT * (shared[holder] ?? 0);
      return load / (this.#members[member]?.speed ?? 1);
    });
  }

  /** Adds the expert's load to that of its holders, or takes it from them (-1). */
  #weigh(expert: number, sign: 1 | -1): void {
    const holders = this.#holders[expert] ?? new Set();
    const load = (sign * (this.#loads[expert] ?? 0)) / Math.max(holders.size, this.#wanted[expert] ?? 1);
    for (const one of holders) {
      const row = this.#sharedLoad[one];
      if (row !== undefined) for (const other of holders) row[other] = (row[other] ?? 0) + load;
    }
  }

  #makeRoom(expert: number, least: number): number {
    return this.#roomByEviction(expert, least) ?? this.#roomByExchange(expert);
  }

  /** Drops the least used replica beyond `least`, from a member without `expert`; -> that member. */
  #roomByEviction(expert: number, least: number): number | null {
    const surplus = bestOf(this.#holders.keys(), (other) => {
      const spare = this.replicas(other) > least && this.#holderWithout(other, expert) !== null;
      return spare ? (this.#loads[other] ?? 0) / this.replicas(other) : null;
    });
    if (surplus === null) return null;
    const member = this.#holderWithout(surplus, expert) ?? 0;
    this.#remove(surplus, member);
    return member;
  }

  /** A holder of `other` that does not hold `expert`. */
  #holderWithout(other: number, expert: number): number | null {
    return [...(this.#holders[other] ?? [])].sort().find((member) => !this.#holders[expert]?.has(member)) ?? null;
  }

  /** All room is with holders of `expert`: one of them takes an expert from a full member, which then has room. */
  #roomByExchange(expert: number): number {
    for (const taker of [...this.#room.keys()].filter((member) => (this.#room[member] ?? 0) > 0)) {
      for (const [moved, holders] of this.#holders.entries()) {
        const giver = holders.has(taker) ? null : this.#holderWithout(moved, expert);
        if (giver === null) continue;
        this.#remove(moved, giver);
        this.#add(moved, taker);
        return giver;
      }
    }
    throw new RangeError(`There is no room for expert ${expert}.`);
  }

  #add(expert: number, member: number): void {
    this.#weigh(expert, -1);
    this.#holders[expert]?.add(member);
    this.#weigh(expert, 1);
    this.#room[member] = (this.#room[member] ?? 0) - 1;
  }

  #remove(expert: number, member: number): void {
    this.#weigh(expert, -1);
    this.#holders[expert]?.delete(member);
    this.#weigh(expert, 1);
    this.#room[member] = (this.#room[member] ?? 0) + 1;
  }
}
