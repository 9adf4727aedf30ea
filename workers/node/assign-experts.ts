// Which member of a group computes each selected expert of a layer. In: the router's choice. Out: a member for every
// (row, rank). Every node computes the same answer from the same routing, so nobody has to announce it.
//
// Work comes in pieces: an expert with the rows it computes while its weights are read once. Pieces weigh the same, so
// this is a semi-matching of pieces to members; adding one piece at a time along the alternating path that ends at the
// member with the least load keeps the largest load as small as any assignment can make it (Harvey, Ladner, Lovasz, Tamir,
// "Semi-matchings for bipartite graphs and load balancing", 2006).
import { DomainError } from '../../infra/errors/domain-error.ts';

/** Up to so many rows an expert takes about as long as reading its weights; above, it is split over its holders. */
export const PIECE_ROWS = 16;

export interface ExpertHolders {
  /** Indices of the members that hold each expert: [experts][...members]. */
  readonly holders: readonly (readonly number[])[];
  readonly members: number;
  /** Pieces in a unit of time, relative to each other: [members]; absent: all alike. */
  readonly speed?: readonly number[];
}

/** What decides who computes what. The paper's policies are others of its kind (paper-policies.ts). */
export interface Assigner {
  /** Writes the member of each slot to `nodes`. experts, nodes: [rows, topK], flat. */
  assign(experts: Int32Array, nodes: Int32Array): void;
}

/** Assigns for one placement. Holds scratch memory: calls allocate nothing. */
export class ExpertAssigner implements Assigner {
  readonly #holders: readonly (readonly number[])[];
  readonly #members: number;
  /** Time of a piece on each member: [members]. */
  readonly #pieceTime: Float64Array;
  /** Pieces each member has: [members]. */
  readonly #load: Int32Array;
  /** Rows of each expert: [experts]. */
  readonly #rows: Int32Array;
  /** Slots of each expert that have their member: [experts]. */
  readonly #done: Int32Array;
  /** Pieces of each expert on each member: [experts, members]. */
  readonly #pieces: Int32Array;
  /** Selected experts, in the order in which the routing names them. */
  readonly #selected: number[] = [];
  /** The search: members reached, and how. [members] each. */
  readonly #reached: Int32Array;
  readonly #from: Int32Array;
  readonly #by: Int32Array;

  /** Throws RangeError when a holder is no member or a speed is not positive. */
  constructor({ holders, members, speed }: ExpertHolders) {
    if (holders.some((of) => of.some((member) => !(member >= 0 && member < members)))) {
      throw new RangeError(`Expected holders from 0 to ${members - 1}.`);
    }
    if (speed?.some((value) => !(value > 0))) throw new RangeError('Expected positive speeds.');
    this.#holders = holders;
    this.#members = members;
    this.#pieceTime = Float64Array.from({ length: members }, (_, member) => 1 / (speed?.[member] ?? 1));
    this.#load = new Int32Array(members);
    this.#rows = new Int32Array(holders.length);
    this.#done = new Int32Array(holders.length);
    this.#pieces = new Int32Array(holders.length * members);
    this.#reached = new Int32Array(members);
    this.#from = new Int32Array(members);
    this.#by = new Int32Array(members);
  }

  /** Throws DomainError `unavailable` naming a selected expert that nobody holds. */
  assign(experts: Int32Array, nodes: Int32Array): void {
    this.#forget();
    for (const expert of experts) {
      if (this.#rows[expert] === 0) this.#selected.push(expert);
      this.#rows[expert] = (this.#rows[expert] ?? 0) + 1;
    }
    for (const expert of this.#selected) {
      for (let piece = piecesOf(this.#rows[expert] ?? 0); piece > 0; piece -= 1) this.#place(expert);
    }
    for (let slot = 0; slot < experts.length; slot += 1) nodes[slot] = this.#nextNode(experts[slot] ?? 0);
  }

  #forget(): void {
    for (const expert of this.#selected) {
      this.#rows[expert] = 0;
      this.#done[expert] = 0;
      this.#pieces.fill(0, expert * this.#members, (expert + 1) * this.#members);
    }
    this.#selected.length = 0;
    this.#load.fill(0);
  }

  /** Gives one piece of `expert` to a member, moving others' pieces between their holders where that helps. */
  #place(expert: number): void {
    let member = this.#leastLoaded(expert);
    if (this.#timeWithOneMore(member) > this.#leastTime()) member = this.#searchFrom(expert);
    this.#load[member] = (this.#load[member] ?? 0) + 1;
    while (this.#from[member] !== -1) {
      const moved = this.#by[member] ?? 0;
      const giver = this.#from[member] ?? 0;
      this.#move(moved, member, 1);
      this.#move(moved, giver, -1);
      member = giver;
    }
    this.#move(expert, member, 1);
  }

  #leastLoaded(expert: number): number {
    const holders = this.#holders[expert] ?? [];
    let best = -1;
    for (const member of holders) {
      if (best === -1 || this.#timeWithOneMore(member) < this.#timeWithOneMore(best)) best = member;
    }
    if (best === -1) throw new DomainError('unavailable', `No node holds expert ${expert}.`, { param: String(expert) });
    this.#from[best] = -1;
    return best;
  }

  #timeWithOneMore(member: number): number {
    return ((this.#load[member] ?? 0) + 1) * (this.#pieceTime[member] ?? 1);
  }

  #leastTime(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let member = 0; member < this.#members; member += 1) least = Math.min(least, this.#timeWithOneMore(member));
    return least;
  }

  /** Breadth first over the members that a piece of `expert` can reach by pushing pieces on; -> the least loaded. */
  #searchFrom(expert: number): number {
    this.#from.fill(-2);
    let count = this.#reach(expert, -1, 0);
    let best = this.#reached[0] ?? 0;
    for (let next = 0; next < count; next += 1) {
      const member = this.#reached[next] ?? 0;
      if (this.#timeWithOneMore(member) < this.#timeWithOneMore(best)) best = member;
      for (const other of this.#selected) {
        if ((this.#pieces[other * this.#members + member] ?? 0) > 0) count = this.#reach(other, member, count);
      }
    }
    return best;
  }

  /** Notes the holders of `expert` not yet reached as reached from `member`; -> how many are reached now. */
  #reach(expert: number, member: number, count: number): number {
    let reached = count;
    for (const holder of this.#holders[expert] ?? []) {
      if (this.#from[holder] !== -2) continue;
      this.#from[holder] = member;
      this.#by[holder] = expert;
      this.#reached[reached] = holder;
      reached += 1;
    }
    return reached;
  }

  #move(expert: number, member: number, count: number): void {
    const at = expert * this.#members + member;
    this.#pieces[at] = (this.#pieces[at] ?? 0) + count;
  }

  /** The member of the expert's next row: its rows in order, dealt out by pieces of the same size to members in order. */
  #nextNode(expert: number): number {
    const rows = this.#rows[expert] ?? 0;
    const done = this.#done[expert] ?? 0;
    this.#done[expert] = done + 1;
    let piece = Math.floor((done * piecesOf(rows)) / rows);
    for (const member of this.#holders[expert] ?? []) {
      piece -= this.#pieces[expert * this.#members + member] ?? 0;
      if (piece < 0) return member;
    }
    throw new RangeError(`Row ${done} of expert ${expert} has no piece.`);
  }
}

function piecesOf(rows: number): number {
  return Math.ceil(rows / PIECE_ROWS);
}
