// Runs the `conclave` command in a process of its own.
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from './repository-root.ts';

/** Path of the command. */
export const CONCLAVE = join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs');

export interface CommandOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command synchronously. */
export function runConclave(...args: readonly string[]): CommandOutcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CONCLAVE, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Runs the command asynchronously, so that this process can serve it meanwhile. */
export function runConclaveBeside(...args: readonly string[]): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CONCLAVE, ...args], (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}
