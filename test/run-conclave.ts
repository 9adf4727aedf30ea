// Runs the `conclave` command as a person does.
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from './repository-root.ts';

/** The command. */
export const CONCLAVE = join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs');

export interface CommandOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end. */
export function runConclave(...args: readonly string[]): CommandOutcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CONCLAVE, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Runs it to its end while this process goes on with what it does. */
export function runConclaveBeside(...args: readonly string[]): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CONCLAVE, ...args], (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}
