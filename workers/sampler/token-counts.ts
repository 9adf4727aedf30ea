// Which tokens a sequence holds, for penalties, as the engine takes them. Counted token by token; a new worker rebuilds it from
// ids.
import type { SamplingParams } from '../../infra/messages/generation-request.ts';

export class TokenCounts {
  /** [capacity, 2]: id, how often it was generated; 0 for a token of the prompt alone. */
  #pairs: Int32Array;
  /** By id: its index among the pairs. */
  readonly #places = new Map<number, number>();

  /** Counts a prompt and the tokens generated after it. */
  constructor(prompt: readonly number[], generated: readonly number[]) {
    this.#pairs = new Int32Array(2 * (prompt.length + generated.length + 1));
    for (const id of prompt) this.#place(id);
    for (const id of generated) this.add(id);
  }

  /** What penalties need to know of a prompt and its answer; null if the request has no penalties. */
  static for(params: SamplingParams, prompt: readonly number[], generated: readonly number[]): TokenCounts | null {
    if (params.repetitionPenalty !== 1) return new TokenCounts(prompt, generated);
    // The other penalties leave the prompt alone.
    const counts = params.frequencyPenalty !== 0 || params.presencePenalty !== 0;
    return counts ? new TokenCounts([], generated) : null;
  }

  /** [tokens, 2]: id, how often it was generated. Valid until the next `add`. */
  get pairs(): Int32Array {
    return this.#pairs.subarray(0, 2 * this.#places.size);
  }

  /** Adds one generated token. */
  add(id: number): void {
    const at = 2 * this.#place(id) + 1;
    this.#pairs[at] = (this.#pairs[at] ?? 0) + 1;
  }

  #place(id: number): number {
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    const place = this.#places.size;
    if (2 * place === this.#pairs.length) this.#grow();
    this.#places.set(id, place);
    this.#pairs[2 * place] = id;
    return place;
  }

  #grow(): void {
    const pairs = new Int32Array(2 * this.#pairs.length);
    pairs.set(this.#pairs);
    this.#pairs = pairs;
  }
}
