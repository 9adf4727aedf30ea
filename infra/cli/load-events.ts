// Progress messages while a model is loaded, shared by all commands that load one.
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
        process.stderr.write(`Process ${pid} on ${host} is building these packs. Waiting for it.\n`);
      },
    },
    end: display.end,
  };
}
