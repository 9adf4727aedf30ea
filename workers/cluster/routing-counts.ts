// What the router chose lately: counts per layer and expert in which old rows fade. Pure. Placement reads them, so they
// follow the workload over minutes, not over steps.

/** After this many rows, earlier ones have half the weight: some hundred requests. */
const HALF_LIFE_ROWS = 50_000;

export class RoutingCounts {
  readonly layers: number;
  readonly experts: number;
  readonly #topK: number;
  readonly #counts: Float64Array;
  #seen: Float64Array;

  /** Begins with `earlier`, for instance out of Redis; counts of another shape are of another model and are left out. */
  constructor(
    { layers, experts, topK }: { readonly layers: number; readonly experts: number; readonly topK: number },
    earlier: ArrayLike<number> | null,
  ) {
    this.layers = layers;
    this.experts = experts;
    this.#topK = topK;
    const size = layers * experts;
    this.#counts = earlier?.length === size ? Float64Array.from(earlier) : new Float64Array(size);
    this.#seen = new Float64Array(size);
  }

  /** Decayed rows of each expert: [layers, experts], flat. */
  get counts(): Float64Array {
    return this.#counts;
  }

  /**
   * Takes in a session's totals [layers, experts] since it began. Totals below the last ones are a new session's.
   * Throws RangeError when their number is not that of the model.
   */
  observe(totals: Float64Array): void {
    if (totals.length !== this.#counts.length) throw new RangeError(`Expected ${this.#counts.length} totals.`);
    if (totals.some((total, at) => total < (this.#seen[at] ?? 0))) this.#seen = new Float64Array(totals.length);
    const added = totals.map((total, at) => total - (this.#seen[at] ?? 0));
    const rows = added.reduce((sum, count) => sum + count, 0) / (this.layers * this.#topK);
    const fading = 0.5 ** (rows / HALF_LIFE_ROWS);
    for (const [at, count] of added.entries()) this.#counts[at] = (this.#counts[at] ?? 0) * fading + count;
    this.#seen = totals.slice();
  }
}
