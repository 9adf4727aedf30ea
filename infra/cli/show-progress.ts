// Progress of long work on stderr: one line redrawn on a terminal, a line for each piece of work elsewhere.
import { formatBytes } from './format-bytes.ts';

interface ProgressReport {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface ProgressDisplay {
  show(report: ProgressReport): void;
  /** Ends the line, before anything else is printed. */
  end(): void;
}

const BAR_CELLS = 24;
const REDRAW_MS = 100;
const CLEAR_LINE = '\r\x1b[K';

/** `nowMs` is a clock in milliseconds. */
export function progressDisplay(screen: Screen, nowMs: () => number): ProgressDisplay {
  return screen.isTTY === true ? terminalDisplay(screen, nowMs) : lineDisplay(screen);
}

function terminalDisplay(screen: Screen, nowMs: () => number): ProgressDisplay {
  let drawnMs = Number.NEGATIVE_INFINITY;
  let open = false;
  return {
    show(report) {
      if (report.done < report.total && nowMs() - drawnMs < REDRAW_MS) return;
      drawnMs = nowMs();
      open = true;
      screen.write(`${CLEAR_LINE}${progressLine(report)}`);
    },
    end() {
      if (open) screen.write('\n');
      open = false;
    },
  };
}

function lineDisplay(screen: Screen): ProgressDisplay {
  let last = '';
  return {
    show({ what, done, total }) {
      if (what === last) return;
      last = what;
      screen.write(`${what} (${formatBytes(done)} of ${formatBytes(total)})\n`);
    },
    end() {},
  };
}

/** "Building shared.pack  [######------]  50 %  1.000 GB of 2.000 GB". */
export function progressLine({ what, done, total }: ProgressReport): string {
  const fraction = total === 0 ? 1 : done / total;
  const full = Math.floor(fraction * BAR_CELLS);
  const bar = '#'.repeat(full) + '-'.repeat(BAR_CELLS - full);
  const percent = String(Math.floor(fraction * 100)).padStart(3);
  return `${what}  [${bar}] ${percent} %  ${formatBytes(done)} of ${formatBytes(total)}`;
}
