// `conclave start` as a process of its own, for tests of what signals do to it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ReadyFile } from '../infra/cli/supervise/run-cluster.ts';
import { REPOSITORY_ROOT } from './repository-root.ts';
import { eventually, type PreparedHome, readReadyFile } from './start-cluster.ts';
import type { Cleanup } from './start-redis.ts';

export interface StartedConclave {
  readonly process: ChildProcess;
  /** Of it and of its process group. */
  readonly pid: number;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<unknown>;
  /** What it has said so far on stderr. */
  said(): string;
  /** What ready.json says when it is there. */
  ready(): Promise<ReadyFile>;
}

/** The command that startConclave runs. */
export const START_COMMAND: readonly string[] = [
  process.execPath,
  join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs'),
  'start',
];

/** Starts it on a free port, by `command` where one is given. It is stopped when the test ends. */
export function startConclave(
  cleanup: Cleanup,
  { home, modelFolder, configFile }: PreparedHome,
  [program = '', ...first]: readonly string[] = START_COMMAND,
): StartedConclave {
  const args = [...first, '--home', home, '--model', modelFolder, '--config', configFile, '--port', '0'];
  const earlier = readIfThere(home);
  const child = spawn(program, args, {
    cwd: REPOSITORY_ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
    // With its children a process group of its own, as a terminal makes it.
    detached: true,
  });
  // A run that was killed leaves its file, which stays until the new run has come to removing it.
  const isNew = (found: ReadyFile | null) => found !== null && !isDeepStrictEqual(found, earlier);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code);
  cleanup.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const ready = () => eventually('ready.json', async () => readIfThere(home), isNew) as Promise<ReadyFile>;
  return { process: child, pid: child.pid ?? 0, ended, said: () => said, ready };
}

/** Command lines of living processes that name this home folder: Redis servers, gateway, workers, `conclave start`. */
export function processesOf(home: string): readonly string[] {
  const { stdout } = spawnSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(home));
}

function readIfThere(home: string): ReadyFile | null {
  try {
    return readReadyFile(home);
  } catch {
    return null;
  }
}
