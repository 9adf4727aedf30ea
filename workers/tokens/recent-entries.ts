// What a writer wrote in the last two seconds, by request: enough to fill what Redis lost with its last second. Time
// without Redis does not count, because nothing is forgotten before a later write succeeded. No input or output.
import type { FinishReason } from '../../infra/queue/finish-generation.ts';

export interface EncodedEntry {
  readonly id: string;
  readonly seq: number;
  /** Token ids in it. */
  readonly tokens: number;
  readonly json: string;
}

interface Recent {
  readonly entries: { readonly entry: EncodedEntry; readonly atMs: number }[];
  end: { readonly seq: number; readonly reason: FinishReason; readonly atMs: number } | null;
}

const KEPT_MS = 2_000;

export class RecentEntries {
  readonly #now: () => number;
  readonly #requests = new Map<string, Recent>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes an entry that is about to be written. */
  add(entry: EncodedEntry): void {
    const recent = this.#requests.get(entry.id) ?? { entries: [], end: null };
    this.#requests.set(entry.id, recent);
    recent.entries.push({ entry, atMs: this.#now() });
  }

  /** Notes that the terminal entry was written. */
  ended(id: string, seq: number, reason: FinishReason): void {
    const recent = this.#requests.get(id) ?? { entries: [], end: null };
    // Again at the end: prune() looks at ended requests in the order in which they ended.
    this.#requests.delete(id);
    this.#requests.set(id, { ...recent, end: { seq, reason, atMs: this.#now() } });
  }

  /** After a successful write: forgets old entries of the requests written, and requests that ended long enough ago. */
  prune(written: ReadonlySet<string>): void {
    const oldest = this.#now() - KEPT_MS;
    for (const id of written) {
      const entries = this.#requests.get(id)?.entries ?? [];
      const kept = entries.findIndex(({ atMs }) => atMs >= oldest);
      entries.splice(0, kept < 0 ? entries.length : kept);
    }
    for (const [id, { end }] of this.#requests) if (end !== null && end.atMs < oldest) this.#requests.delete(id);
  }

  forget(id: string): void {
    this.#requests.delete(id);
  }

  clear(): void {
    this.#requests.clear();
  }

  ids(): readonly string[] {
    return [...this.#requests.keys()];
  }

  /** Seq of the last entry noted, the terminal one included; 0 when there is none. */
  lastSeq(id: string): number {
    const recent = this.#requests.get(id);
    return recent?.end?.seq ?? recent?.entries.at(-1)?.entry.seq ?? 0;
  }

  endOf(id: string): { readonly seq: number; readonly reason: FinishReason } | null {
    return this.#requests.get(id)?.end ?? null;
  }

  /** Entries after `seq` in order, or null when the one that follows is not kept any more. */
  after(id: string, seq: number): readonly EncodedEntry[] | null {
    const recent = this.#requests.get(id);
    const later = (recent?.entries ?? []).map(({ entry }) => entry).filter((entry) => entry.seq > seq);
    if (later[0]?.seq === seq + 1) return later;
    return later.length === 0 && recent?.end?.seq === seq + 1 ? [] : null;
  }
}
