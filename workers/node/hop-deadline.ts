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

  /** For steps of `rows` rows: a layer may take floorMs + factor * the longer of normalMs and the node's own share. */
  terms(rows: number): DeadlineOptions & { readonly normalMs: number } {
    return { ...this.#options, normalMs: this.#normalMs[sizeOf(rows)] ?? 0 };
  }
}

function sizeOf(rows: number): number {
  return Math.floor(Math.log2(rows));
}
