// Nodes that failed a step. In: their ids, and the nodes' reports. Out: the nodes that may take part again. A node comes back
// after a sign of life, and after a pause that doubles with every failure: one that fails repeatedly delays the group only briefly.
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';

interface Suspect {
  readonly times: number;
  /** On the clock of the caller. */
  readonly untilMs: number;
  /** Of the first report seen after it failed, which may be older than the failure; null before that. */
  readonly beats: number | null;
}

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;

export class Suspects {
  readonly #suspects = new Map<string, Suspect>();

  /** Notes that a process failed. */
  add(incarnation: string, nowMs: number): void {
    const times = (this.#suspects.get(incarnation)?.times ?? 0) + 1;
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (times - 1));
    this.#suspects.set(incarnation, { times, untilMs: nowMs + pauseMs, beats: null });
  }

  /** Whether the process of a report is to be left out for now. To be asked about every report. */
  has({ incarnation, beats }: Pick<NodeReport, 'incarnation' | 'beats'>, nowMs: number): boolean {
    const suspect = this.#suspects.get(incarnation);
    if (suspect === undefined) return false;
    if (suspect.beats === null) this.#suspects.set(incarnation, { ...suspect, beats });
    return nowMs < suspect.untilMs || suspect.beats === null || beats <= suspect.beats;
  }
}
