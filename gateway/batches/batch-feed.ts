// The lines of one batch that are still to be run, read from its file as they are needed.
import type { FileStore } from '../files/file-store.ts';
import { type BatchLine, parseLine } from './batch-line.ts';
import type { Batch } from './batch-store.ts';
import { readLines } from './read-lines.ts';

export interface FeedLine {
  /** From 0. */
  readonly line: number;
  readonly request: BatchLine;
}

export class BatchFeed {
  readonly batch: Batch;
  /** Lines that run now. */
  readonly running = new Map<number, AbortController>();
  readonly #lines: AsyncIterator<FeedLine>;
  #again: FeedLine[] = [];
  #next: FeedLine | null = null;
  #isRead = false;
  #isStopped = false;

  /** `isDone`: whether a line has its result already. */
  constructor(batch: Batch, files: FileStore, isDone: (line: number) => boolean, lineBytes: number) {
    this.batch = batch;
    this.#lines = openLines(files.read(batch.inputFileId), isDone, lineBytes);
  }

  /** True when every line has been run. */
  get isOver(): boolean {
    return this.#isRead && this.#next === null && this.#again.length === 0 && this.running.size === 0;
  }

  /** The line that comes next, which stays; null when there is none now. */
  async peek(): Promise<FeedLine | null> {
    if (this.#isStopped) return null;
    if (this.#next === null && !this.#isRead) {
      const { value, done } = await this.#lines.next();
      this.#isRead = done === true;
      this.#next = value ?? null;
    }
    this.#next ??= this.#again.shift() ?? null;
    return this.#next;
  }

  /** The line that was peeked at runs now. */
  start(line: FeedLine): AbortController {
    this.#next = null;
    const stop = new AbortController();
    this.running.set(line.line, stop);
    return stop;
  }

  /** `again`: it has no result. */
  end(line: FeedLine, again: boolean): void {
    this.running.delete(line.line);
    if (again) this.#again.push(line);
  }

  /** Stops what runs, which gets no result; nothing more is to be run. */
  stop(): void {
    this.#isStopped = true;
    for (const running of this.running.values()) running.abort();
  }
}

async function* openLines(
  chunks: AsyncIterable<Uint8Array>,
  isDone: (line: number) => boolean,
  lineBytes: number,
): AsyncGenerator<FeedLine> {
  let line = 0;
  for await (const text of readLines(chunks, lineBytes)) {
    if (!isDone(line)) yield { line, request: parseLine(text) };
    line += 1;
  }
}
