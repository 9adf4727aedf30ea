// The end of a process that was asked to stop and cannot: without Redis there is nothing to give anything back to.
import type { Logger } from '../../infra/log/logger.ts';

/** Time beyond draining to give back to Redis what has not ended. */
const GOODBYE_MS = 3_000;

/** Exits after draining and a moment more. Nothing is lost by it: locks and lease run out. */
export function exitWhenLate(drainSeconds: number, log: Logger): void {
  const exit = () => {
    log.warn('Redis does not answer; exiting without returning requests');
    process.exit(1);
  };
  setTimeout(exit, drainSeconds * 1000 + GOODBYE_MS).unref();
}
