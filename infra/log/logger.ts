// The JSON logger of every process. Callers log events and ids, never prompts, completions, keys or tokens. As a second line
// of defence, fields in which such a value could appear are redacted.
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const CENSORED = ['authorization', 'cookie', 'key', 'secret', 'password', 'prompt', 'messages', 'text', 'url'];

/** Buffering limits in bytes and ms: one write per line would be a large part of the cost of a request. */
const GATHERED = { minLength: 8_192, periodicFlush: 100 } as const;

/**
 * Creates a logger for one part (`gateway`, `worker`, ...) that writes JSON lines to stderr; stdout is for a command's output.
 * All lines are flushed on a normal exit; a killed process may lose the last 100 ms.
 */
export function createLogger(part: string, level: string, to: DestinationStream = gatheringStderr()): Logger {
  return pino({ name: part, level, base: { pid: process.pid }, redact: { paths: censoredPaths(), censor: '***' } }, to);
}

function gatheringStderr(): DestinationStream {
  return destination({ dest: 2, sync: false, ...GATHERED });
}

function censoredPaths(): string[] {
  return CENSORED.flatMap((field) => [field, `*.${field}`]);
}
