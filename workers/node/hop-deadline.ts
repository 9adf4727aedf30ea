// How long to wait for the others of a group: long enough for the slowest answer that was normal lately, as much longer as
// this layer has more work. Pure but for what it remembers.

export interface DeadlineOptions {
  /** Added to every deadline, in ms: what a machine may stand still without being dead. */
  readonly floorMs: number;
  /** How many times a normal answer an answer may take. */
  readonly factor: number;
}

export const DEFAULT_DEADLINES: DeadlineOptions = { floorMs: 1_000, factor: 8 };

/** How fast a long answer of the past is forgotten. */
const DECAY = 0.98;

export class HopDeadline {
  readonly #options: DeadlineOptions;
  /** Longest recent wait in steps of [2^i, 2^(i+1)) rows, in ms, decayed: what waits cost does not grow with rows alone. */
  readonly #normalMs = new Float64Array(32);

  constructor(options: DeadlineOptions) {
    this.#options = options;
  }

  /** All answers for `rows` rows were here `ms` after they were asked for. */
  answered(rows: number, ms: number): void {
    const size = sizeOf(rows);
    this.#normalMs[size] = Math.max((this.#normalMs[size] ?? 0) * DECAY, ms);
  }

  /** What ms() is made of for steps of `rows` rows. */
  terms(rows: number): DeadlineOptions & { readonly normalMs: number } {
    return { ...this.#options, normalMs: this.#normalMs[sizeOf(rows)] ?? 0 };
  }

  /** How long to wait for answers for `rows` rows when this node's own share took `ownMs`. */
  ms(rows: number, ownMs: number): number {
    const { floorMs, factor, normalMs } = this.terms(rows);
    return floorMs + factor * Math.max(ownMs, normalMs);
  }
}

function sizeOf(rows: number): number {
  return Math.floor(Math.log2(rows));
}
