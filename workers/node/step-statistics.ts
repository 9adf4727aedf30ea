// Where the time of a group's steps goes, as the leader sees it. Sums only grow, so readers take differences.

export interface MemberStatistics {
  /** Seconds that the member's experts took, by its own clock. */
  readonly expertSeconds: number;
  /** (row, expert) pairs that it computed. */
  readonly slots: number;
  /** Seconds from when this node was done until the member's outputs were here. */
  readonly waitSeconds: number;
  readonly frames: number;
}

export interface StepSeconds {
  /** Attention and router on the leader, combining included. */
  readonly attend: number;
  /** The leader's own experts. */
  readonly experts: number;
  /** Waiting for frames. */
  readonly wait: number;
  /** lm_head. */
  readonly project: number;
  readonly total: number;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Waits kept for percentiles. */
const RECENT_WAITS = 1_024;

export class StepStatistics {
  readonly seconds: Writable<StepSeconds> = { attend: 0, experts: 0, wait: 0, project: 0, total: 0 };
  steps = 0;
  rows = 0;
  /** Frames that ended a step because they were not well formed. */
  badFrames = 0;
  framesSent = 0;
  bytesSent = 0;
  readonly #members = new Map<string, Writable<MemberStatistics>>();
  readonly #waits = new Float64Array(RECENT_WAITS);
  #waitCount = 0;

  /** Some of one member's frames are here. */
  share(member: string, { slots, expertSeconds, waitSeconds, frames }: MemberStatistics): void {
    let of = this.#members.get(member);
    if (of === undefined) {
      of = { expertSeconds: 0, slots: 0, waitSeconds: 0, frames: 0 };
      this.#members.set(member, of);
    }
    of.expertSeconds += expertSeconds;
    of.slots += slots;
    of.waitSeconds += waitSeconds;
    of.frames += frames;
  }

  sent(frames: number, bytes: number): void {
    this.framesSent += frames;
    this.bytesSent += bytes;
  }

  /** A wait of a layer for all others is over. */
  wait(ms: number): void {
    this.seconds.wait += ms / 1e3;
    this.#waits[this.#waitCount % RECENT_WAITS] = ms;
    this.#waitCount += 1;
  }

  members(): ReadonlyMap<string, MemberStatistics> {
    return new Map([...this.#members].map(([id, of]) => [id, { ...of }]));
  }

  /** Of the latest waits, in ms; zeros before there are any. */
  waitPercentiles(): { readonly p50: number; readonly p95: number } {
    const waits = this.#waits.slice(0, Math.min(this.#waitCount, RECENT_WAITS)).sort();
    const at = (share: number): number => waits[Math.floor(share * (waits.length - 1))] ?? 0;
    return { p50: at(0.5), p95: at(0.95) };
  }
}
