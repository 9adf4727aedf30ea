// One JSON logger for every process. It takes what happened and ids; it must never be given prompts, completions, keys or
// tokens. Known places where such a value could slip in are censored as a second line of defence.
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const CENSORED = ['authorization', 'cookie', 'key', 'secret', 'password', 'prompt', 'messages', 'text', 'url'];

/** A logger for one part (`gateway`, `worker`, ...), writing JSON lines to stderr: stdout belongs to what was asked for. */
export function createLogger(part: string, level: string, to: DestinationStream = destination(2)): Logger {
  return pino({ name: part, level, base: { pid: process.pid }, redact: { paths: censoredPaths(), censor: '***' } }, to);
}

function censoredPaths(): string[] {
  return CENSORED.flatMap((field) => [field, `*.${field}`]);
}
