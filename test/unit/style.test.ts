// Rules that a machine can hold: lint and format of TypeScript, no unused exports, files or packages, format of C++.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';

function run(command: string, args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: REPOSITORY_ROOT, encoding: 'utf8' });
  return { status, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

const tool = (name: string): string => join(REPOSITORY_ROOT, 'node_modules', '.bin', name);

test('TypeScript is formatted and free of lint', () => {
  const { status, output } = run(tool('biome'), ['check', '--error-on-warnings', '.']);
  assert.equal(status, 0, output);
});

test('nothing is exported, listed or kept without use', () => {
  const { status, output } = run(tool('knip'), ['--no-config-hints']);
  assert.equal(status, 0, output);
});

const hasClangFormat = spawnSync('clang-format-16', ['--version']).error === undefined;
const required = process.env['CONCLAVE_TEST_REQUIRE_TOOLS'] !== undefined;
const skip = hasClangFormat || required ? false : 'clang-format-16 is not installed';
test('C++ is formatted', { skip }, () => {
  const { status, output } = run(process.execPath, ['infra/build/format-native.mjs', '--check']);
  assert.equal(status, 0, output);
});
