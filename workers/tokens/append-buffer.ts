// Appends that wait to be written together: sent one by one, the tokens of a fast model cost gateway, Redis and client more
// time than the model (decision 0048). In: appends in order. Out: the same in the same order. No clock, no input or output.
import type { TokenAppend } from './append-tokens.ts';

/** At this number they are written regardless of the time; a gateway buffers as many for one stream (StreamBuffer). */
const MAX_BUFFERED = 128;

export class AppendBuffer {
  readonly #intervalMs: number;
  #held: TokenAppend[] = [];
  #isUrgent = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** `intervalMs`: least time between two writes, unless one is urgent; 0 holds nothing. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  get size(): number {
    return this.#held.length;
  }

  /** The first token of a stream and the last one of a choice are not held, nor is what comes with them. */
  add(appends: readonly TokenAppend[]): void {
    this.#held.push(...appends);
    this.#isUrgent ||= appends.some(({ seq, event }) => seq === 1 || event.finish !== null);
  }

  /** True when they are to be written now, at the end of a step. */
  isDue(nowMs: number): boolean {
    const waited = nowMs - this.#lastMs >= this.#intervalMs;
    return this.#held.length > 0 && (waited || this.#isUrgent || this.#held.length >= MAX_BUFFERED);
  }

  /**
   * Time until they are to be written though no step has ended, in ms. Twice the interval after the last write: steps that are
   * shorter than the interval have ended before.
   */
  flushDelayMs(nowMs: number): number {
    return Math.max(0, this.#lastMs + 2 * this.#intervalMs - nowMs);
  }

  /** Hands out all that are held. */
  take(nowMs: number): readonly TokenAppend[] {
    const taken = this.#held;
    if (taken.length > 0) this.#lastMs = nowMs;
    this.#held = [];
    this.#isUrgent = false;
    return taken;
  }
}
