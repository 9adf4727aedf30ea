// Which slots, (row, rank) pairs in their flat order, belong to which member. In: the member of each slot. Out: each
// member's slots, ascending. Holds its memory: filling it allocates nothing.

export class SlotLists {
  readonly #slots: Int32Array;
  /** First position of each member's slots in #slots, and the end: [members + 1]. */
  readonly #begin: Int32Array;

  constructor(mostSlots: number, members: number) {
    this.#slots = new Int32Array(mostSlots);
    this.#begin = new Int32Array(members + 1);
  }

  /** nodes: member of each of the first `count` slots. */
  fill(nodes: Int32Array, count: number): void {
    const begin = this.#begin;
    begin.fill(0);
    for (let slot = 0; slot < count; slot += 1) {
      const end = (nodes[slot] ?? 0) + 1;
      begin[end] = (begin[end] ?? 0) + 1;
    }
    for (let member = 1; member < begin.length; member += 1) {
      begin[member] = (begin[member] ?? 0) + (begin[member - 1] ?? 0);
    }
    // Backwards, each member's end moving down to its begin, so that slots ascend.
    for (let slot = count - 1; slot >= 0; slot -= 1) {
      const end = (nodes[slot] ?? 0) + 1;
      const position = (begin[end] ?? 0) - 1;
      begin[end] = position;
      this.#slots[position] = slot;
    }
    begin.copyWithin(0, 1);
    begin[begin.length - 1] = count;
  }

  /** A view that the next fill overwrites. */
  of(member: number): Int32Array {
    return this.#slots.subarray(this.#begin[member] ?? 0, this.#begin[member + 1] ?? 0);
  }

  count(member: number): number {
    return (this.#begin[member + 1] ?? 0) - (this.#begin[member] ?? 0);
  }
}
