// Tools that some tests need beside a compiler.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version']).error === undefined;
}

/** A missing tool skips a test on a developer's machine and fails it in CI. */
export function missingTools(commands: readonly string[]): string | false {
  const missing = commands.filter((command) => !isInstalled(command));
  if (missing.length === 0) return false;
  assert.ok(process.env['CONCLAVE_TEST_REQUIRE_TOOLS'] === undefined, `not installed: ${missing.join(', ')}`);
  return `not installed: ${missing.join(', ')}`;
}
