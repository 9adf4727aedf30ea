// One consumer's place in one token stream. In: entries as they are pushed (perhaps lost, repeated, out of order) and as
// they are read by range, and how long the stream is. Out: every entry once, in order, and what to read next. Also notices
// when Redis came back with a shorter stream, and then compares what is written again with what was handed out. No input
// or output, no clock.

export interface RawEntry {
  readonly seq: number;
  readonly json: string;
}

/** Entries kept for a slow consumer; beyond that it is dropped from push and reads from its cursor. */
export const BUFFERED_ENTRIES = 128;
/** Entries whose digest is kept for comparison: more than a writer replays after Redis lost its last second. */
const COMPARED_ENTRIES = 256;

export class StreamBuffer {
  readonly #queue: RawEntry[] = [];
  readonly #digests = new Uint32Array(COMPARED_ENTRIES);
  readonly #first: number;
  /** Last entry accepted: handed out, or in the queue. */
  #tail: number;
  /** Highest seq that is known to exist. */
  #highest: number;
  /** After a loss: the entries from here to the tail have to be seen again before new ones are accepted. */
  #verified: number | null = null;
  #diverged = false;

  /** `from` is the first seq to deliver, >= 1. */
  constructor(from: number) {
    this.#first = from;
    this.#tail = from - 1;
    this.#highest = from - 1;
  }

  /** True when an entry came again with other content: the stream is not the one that was handed out. */
  get diverged(): boolean {
    return this.#diverged;
  }

  /** Seq to read from, when something is known to be missing and there is room for it; else null. */
  get wanted(): number | null {
    const known = this.#verified ?? this.#tail;
    const room = this.#verified !== null || this.#queue.length <= BUFFERED_ENTRIES / 2;
    return this.#highest > known && room ? known + 1 : null;
  }

  /** A pushed entry. */
  push(entry: RawEntry): void {
    this.#highest = Math.max(this.#highest, entry.seq);
    this.#accept(entry);
  }

  /** Entries read from `wanted` on, in order. None at all means that nothing more is there. */
  read(entries: readonly RawEntry[]): void {
    if (entries.length === 0) this.#highest = this.#verified ?? this.#tail;
    for (const entry of entries) this.push(entry);
  }

  /** How long the stream is according to Redis; shorter than what was seen when Redis lost its last second. */
  observeLength(length: number): void {
    const known = this.#verified ?? this.#tail;
    if (length < known && length >= this.#first - 1) this.#verified = length;
    // A consumer may start beyond the end of the stream; then there is nothing to verify.
    this.#highest =
      length < known ? Math.min(this.#highest, Math.max(length, this.#first - 1)) : Math.max(this.#highest, length);
  }

  /** The next entry for the consumer, or null when none is there yet. */
  take(): RawEntry | null {
    return this.#queue.shift() ?? null;
  }

  get hasNext(): boolean {
    return this.#queue.length > 0;
  }

  #accept(entry: RawEntry): void {
    if (entry.seq <= this.#tail) this.#compare(entry);
    else if (entry.seq === this.#tail + 1 && this.#verified === null && this.#queue.length < BUFFERED_ENTRIES) {
      this.#tail = entry.seq;
      this.#digests[entry.seq % COMPARED_ENTRIES] = digest(entry.json);
      this.#queue.push(entry);
    }
  }

  #compare(entry: RawEntry): void {
    const kept = entry.seq >= this.#first && entry.seq > this.#tail - COMPARED_ENTRIES;
    if (kept && this.#digests[entry.seq % COMPARED_ENTRIES] !== digest(entry.json)) this.#diverged = true;
    if (this.#verified === null || entry.seq !== this.#verified + 1) return;
    this.#verified = entry.seq === this.#tail ? null : entry.seq;
  }
}

// FNV-1a over UTF-16 units: enough to tell an entry from another one, and a fraction of a microsecond.
function digest(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
