// What loading a model tells the person who waits for it. Every command that loads one shows the same.
import type { BuildEvents } from '../../workers/pack/build-packs.ts';
import { progressDisplay } from './show-progress.ts';

export interface LoadDisplay {
  readonly events: BuildEvents;
  /** Ends the progress line, before anything else is printed. */
  end(): void;
}

/** Shows progress and waiting on stderr. */
export function loadDisplay(): LoadDisplay {
  const display = progressDisplay(process.stderr, () => performance.now());
  return {
    events: {
      onProgress: display.show,
      onWait({ pid, host }) {
        display.end();
        process.stderr.write(`Process ${pid} on ${host} is building these packs; waiting for it.\n`);
      },
    },
    end: display.end,
  };
}
