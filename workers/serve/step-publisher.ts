// What steps yield on its way to the token streams: held for a moment, written in order, one write under way at a time, while
// the next step is computed. In: appends and ends. Out: entries, and the requests whose streams refuse them.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FinishReason } from '../../infra/queue/finish-generation.ts';
import type { Generation } from '../generation/generation.ts';
import type { GenerationSource } from '../queue/generation-source.ts';
import { AppendBuffer } from '../tokens/append-buffer.ts';
import type { TokenAppend, TokenWriter } from '../tokens/append-tokens.ts';

export interface Ending {
  readonly generation: Generation;
  readonly reason: FinishReason;
}

export interface PublisherParts {
  readonly writer: TokenWriter;
  readonly source: GenerationSource;
  /** See AppendBuffer. */
  readonly intervalMs: number;
}

export class StepPublisher {
  readonly #parts: PublisherParts;
  readonly #buffer: AppendBuffer;
  #publishing: Promise<void> = Promise.resolve();
  #flushTimer: NodeJS.Timeout | undefined;
  #refused: string[] = [];

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#buffer = new AppendBuffer(parts.intervalMs);
  }

  /**
   * Takes what a step yielded; ends go out at once, and with them what is held. Settles when the write before has: rejects as
   * that did, with `fenced` when the lease is lost.
   */
  async publish(appends: readonly TokenAppend[], ending: readonly Ending[]): Promise<void> {
    this.#buffer.add(appends);
    const isDue = ending.length > 0 || this.#buffer.isDue(performance.now());
    if (this.#buffer.size > 0 && !isDue) return this.#wait();
    await this.#publishing;
    // In the next turn the next step is under way already: it does not wait for the writing of this one to be prepared. A
    // first token is written before: once a request, that costs less than it would behind a step that takes every core.
    this.#write(ending, !appends.some(({ seq }) => seq === 1));
  }

  /** Writes what is held. Settles when all is written; rejects as `publish` does. */
  flush(): Promise<void> {
    this.#write([], false);
    return this.#publishing;
  }

  /** Forgets what is held: another leader computes it again. */
  drop(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#buffer.take(performance.now());
  }

  /** Requests whose streams took nothing more since the last call. */
  takeRefused(): readonly string[] {
    const refused = this.#refused;
    this.#refused = [];
    return refused;
  }

  // The next step may be a long one.
  #wait(): void {
    if (this.#buffer.size === 0 || this.#flushTimer !== undefined) return;
    this.#flushTimer = setTimeout(() => this.#write([], false), this.#buffer.flushDelayMs(performance.now()));
  }

  #write(ending: readonly Ending[], inNextTurn: boolean): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const appends = this.#buffer.take(performance.now());
    if (appends.length === 0 && ending.length === 0) return;
    const before = inNextTurn ? this.#publishing.then(() => nextTurn()) : this.#publishing;
    this.#publishing = before.then(() => this.#writeAll(appends, ending));
    // The next caller awaits this promise; until then, this handler keeps Node from reporting an unhandled rejection.
    this.#publishing.catch(() => {});
  }

  async #writeAll(appends: readonly TokenAppend[], ending: readonly Ending[]): Promise<void> {
    const { writer, source } = this.#parts;
    if (appends.length > 0) this.#refused.push(...(await writer.append(appends)));
    for (const { generation, reason } of ending) {
      await writer.finish(generation.request.id, generation.takeSeq(), reason);
      await source.done(generation.request.id, reason.error?.message ?? null);
    }
  }
}
