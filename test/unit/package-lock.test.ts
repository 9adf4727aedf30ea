// `npm ci` installs the binaries of this system only, so nothing here notices when those of a Mac are missing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';

interface LockedPackage {
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly integrity?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Lock = Readonly<Record<string, LockedPackage>>;

const lock = (
  JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package-lock.json'), 'utf8')) as { readonly packages: Lock }
).packages;

function binariesFor(packages: Lock, path: string, os: string, cpu: string): readonly LockedPackage[] {
  const names = Object.keys(packages[path]?.optionalDependencies ?? {});
  return names
    .map((name) => packages[`${path}/node_modules/${name}`] ?? packages[`node_modules/${name}`])
    .filter((found): found is LockedPackage => found?.os?.includes(os) === true && found.cpu?.includes(cpu) === true);
}

/** Packages with a binary for Linux on x64 and none, or an unlocked one, for Macs. */
function withoutMac(packages: Lock): readonly string[] {
  return Object.keys(packages)
    .filter((path) => binariesFor(packages, path, 'linux', 'x64').length > 0)
    .filter((path) => !binariesFor(packages, path, 'darwin', 'arm64').some(({ integrity }) => integrity !== undefined));
}

test('every package with binaries has one for Macs with Apple silicon, locked', () => {
  assert.ok(binariesFor(lock, 'node_modules/@biomejs/biome', 'linux', 'x64').length > 0, 'the check finds binaries');
  assert.deepEqual(withoutMac(lock), []);
});

test('a lock that has lost the binaries of a Mac is noticed', () => {
  const kept = Object.entries(lock).filter(([, { os }]) => os?.includes('darwin') !== true);
  assert.ok(withoutMac(Object.fromEntries(kept)).includes('node_modules/@biomejs/biome'));
});
