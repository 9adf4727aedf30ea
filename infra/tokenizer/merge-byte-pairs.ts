// Byte-pair encoding of one piece of text. In: its bytes and the ranks of all tokens. Out: token ids. Of all neighbours that
// together are a token, those of the lowest rank merge first, of equal ones the leftmost: tiktoken's order. A heap makes it
// n log n; the scan that it replaces is quadratic, and a client chooses how long a piece is.

/** Ids by the token's bytes, one character (U+0000 to U+00FF) per byte; a token's rank is its id. */
export interface TokenRanks {
  readonly ids: ReadonlyMap<string, number>;
  /** Length of the longest token, in bytes. */
  readonly longest: number;
}

/** No token: such neighbours do not merge. */
const NONE = -1;
/** A heap key is rank * POSITIONS + position, exact in a double while ranks stay below 2^21. */
const POSITIONS = 2 ** 32;

/** Token ids of `piece`, one character per byte. Every single byte must be a token. */
export function mergeBytePairs(piece: string, ranks: TokenRanks): number[] {
  const whole = ranks.ids.get(piece);
  return whole === undefined ? new Parts(piece, ranks).merge() : [whole];
}

/** A linked list of parts, each of them a token, in arrays indexed by a part's first byte. */
class Parts {
  readonly #piece: string;
  readonly #ranks: TokenRanks;
  /** First byte of the next part; the length at the last one. [bytes + 1] */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Rank of the token that a part and its next one make, or NONE. [bytes] */
  readonly #pairRank: Int32Array;
  readonly #heap: KeyHeap;

  constructor(piece: string, ranks: TokenRanks) {
    this.#piece = piece;
    this.#ranks = ranks;
    this.#next = Int32Array.from({ length: piece.length + 1 }, (_, at) => at + 1);
    this.#previous = Int32Array.from({ length: piece.length + 1 }, (_, at) => at - 1);
    this.#pairRank = new Int32Array(piece.length).fill(NONE);
    // One key per pair at first, at most two for each merge.
    this.#heap = new KeyHeap(3 * piece.length);
  }

  merge(): number[] {
    for (let at = 0; at < this.#piece.length; at += 1) this.#rankPair(at);
    for (let key = this.#heap.pop(); key !== undefined; key = this.#heap.pop()) {
      const at = key % POSITIONS;
      // Keys of pairs that a merge has changed stay in the heap until they come up.
      if (this.#pairRank[at] === Math.floor(key / POSITIONS)) this.#join(at);
    }
    return this.#ids();
  }

  #join(at: number): void {
    const gone = this.#next[at] as number;
    const after = this.#next[gone] as number;
    this.#next[at] = after;
    this.#previous[after] = at;
    this.#pairRank[gone] = NONE;
    this.#rankPair(at);
    if (at > 0) this.#rankPair(this.#previous[at] as number);
  }

  #rankPair(at: number): void {
    const middle = this.#next[at] as number;
    const end = middle < this.#piece.length ? (this.#next[middle] as number) : Number.POSITIVE_INFINITY;
    const rank = end - at > this.#ranks.longest ? NONE : (this.#ranks.ids.get(this.#piece.slice(at, end)) ?? NONE);
    this.#pairRank[at] = rank;
    if (rank !== NONE) this.#heap.push(rank * POSITIONS + at);
  }

  #ids(): number[] {
    const ids: number[] = [];
    for (let at = 0; at < this.#piece.length; at = this.#next[at] as number) {
      const token = this.#piece.slice(at, this.#next[at]);
      const id = this.#ranks.ids.get(token);
      if (id === undefined) throw new TypeError('A byte is no token');
      ids.push(id);
    }
    return ids;
  }
}

/** A binary heap of numbers, the smallest first. */
class KeyHeap {
  readonly #keys: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
  }

  push(key: number): void {
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#keys[parent] as number;
      if (above <= key) break;
      this.#keys[at] = above;
      at = parent;
    }
    this.#keys[at] = key;
  }

  pop(): number | undefined {
    if (this.#size === 0) return undefined;
    const [top] = this.#keys;
    this.#size -= 1;
    this.#sink(this.#keys[this.#size] as number);
    return top;
  }

  #sink(key: number): void {
    let at = 0;
    for (let child = 1; child < this.#size; child = 2 * at + 1) {
      if (child + 1 < this.#size && (this.#keys[child + 1] as number) < (this.#keys[child] as number)) child += 1;
      const below = this.#keys[child] as number;
      if (key <= below) break;
      this.#keys[at] = below;
      at = child;
    }
    this.#keys[at] = key;
  }
}
