// Imports run one way (docs/develop.md): gateway -> infra; workers -> infra, native; infra and native import nothing of
// ours. infra/cli is where parts are put together: it may import all of them, and nothing imports it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  gateway: ['gateway', 'infra'],
  workers: ['workers', 'infra', 'native'],
  native: ['native'],
  infra: ['infra'],
  'infra/cli': ['infra/cli', 'infra', 'gateway', 'workers', 'native'],
};

const IMPORT = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g;
// What runs when a module is loaded: neither types nor what is imported later, when it is needed.
const RUNTIME_IMPORT = /^(?:import(?! type)|export(?! type))[^;]*?from '(\.{1,2}\/[^']+)';/gm;

function sources(part: string): string[] {
  return readdirSync(join(REPOSITORY_ROOT, part), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(part, name));
}

function partOf(path: string): string {
  return path.startsWith('infra/cli/') ? 'infra/cli' : (path.split('/')[0] ?? '');
}

function importsOf(path: string, pattern: RegExp): string[] {
  const text = readFileSync(join(REPOSITORY_ROOT, path), 'utf8');
  return [...text.matchAll(pattern)].map((match) => normalize(join(dirname(path), match[1] ?? '')));
}

const files = ['gateway', 'workers', 'native', 'infra'].flatMap(sources);

test('every import goes in an allowed direction', () => {
  assert.ok(files.length > 10, 'the sources were found');
  const wrong = files.flatMap((path) =>
    importsOf(path, IMPORT)
      .filter((target) => !(ALLOWED[partOf(path)] ?? []).includes(partOf(target)))
      .map((target) => `${path} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('no import cycle', () => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const target of importsOf(path, RUNTIME_IMPORT)) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of files) visit(relative('.', path), []);
  assert.deepEqual(cycles, []);
});
