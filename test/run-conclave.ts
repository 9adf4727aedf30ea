// Runs the `conclave` command as a person does.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from './repository-root.ts';

const CONCLAVE = join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs');

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
