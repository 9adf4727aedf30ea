// What loading a model writes into a worker's log.
import type { Logger } from '../../infra/log/logger.ts';
import type { BuildEvents } from '../pack/build-packs.ts';

/** Progress goes to the log at level debug, and to `onProgress` as a share of 1. */
export function loadEvents(log: Logger, onProgress: (what: string, share: number) => void = () => {}): BuildEvents {
  return {
    onProgress: ({ what, done, total }) => {
      log.debug({ done, total }, what);
      onProgress(what, total === 0 ? 1 : done / total);
    },
    onWait: ({ pid, host }) => log.info({ pid, host }, 'waiting for another process to build packs'),
  };
}
