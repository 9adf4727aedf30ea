// One JSON logger for every process. It takes what happened and ids; it must never be given prompts, completions, keys or
// tokens. Known places where such a value could slip in are censored as a second line of defence.
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const CENSORED = ['authorization', 'cookie', 'key', 'secret', 'password', 'prompt', 'messages', 'text', 'url'];

/** Lines are buffered for at most this long, or this many bytes: one write per line is a large part of the cost of a request. */
const GATHERED = { minLength: 8_192, periodicFlush: 100 } as const;

/**
 * A logger for one part (`gateway`, `worker`, ...), writing JSON lines to stderr: stdout belongs to what was asked for.
 * A process that ends by itself writes all of its lines; one that is killed may lose the last tenth of a second.
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
