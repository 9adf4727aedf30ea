// Imports run one way (docs/develop.md): gateway -> infra; workers -> infra, native; infra and native import nothing of
// ours. infra/cli is where parts are put together: it may import all of them, and nothing imports it. The C++ below native
// has directions of its own. No module is part of an import cycle, not even of one that only types close.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';

type Directions = Readonly<Record<string, readonly string[]>>;

const ALLOWED: Directions = {
  gateway: ['gateway', 'infra'],
  workers: ['workers', 'infra', 'native'],
  native: ['native'],
  infra: ['infra'],
  'infra/cli': ['infra/cli', 'infra', 'gateway', 'workers', 'native'],
};

const ALLOWED_INCLUDES: Directions = {
  core: ['core'],
  cpu: ['cpu', 'core'],
  metal: ['metal', 'core', 'build'],
  exchange: ['exchange', 'core'],
  bench: ['bench', 'core', 'exchange'],
  constraint: ['constraint', 'core'],
  sampler: ['sampler', 'constraint', 'core'],
  addon: ['addon', 'bench', 'core', 'cpu', 'metal', 'exchange', 'constraint', 'sampler'],
};

const IMPORT = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g;
// All but `import(...)`, which loads a module later, when it is needed.
const STATIC_IMPORT = /^(?:import|export)\b[^;]*?from '(\.{1,2}\/[^']+)';/gm;
const INCLUDE = /^\s*#\s*(?:include|import)\s+"([^"]+)"/gm;

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(REPOSITORY_ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path) && !path.includes('node_modules'))
    .map((path) => join(folder, path));
}

function partOf(path: string): string {
  return path.startsWith('infra/cli/') ? 'infra/cli' : (path.split('/')[0] ?? '');
}

function targetsOf(path: string, pattern: RegExp): string[] {
  const text = readFileSync(join(REPOSITORY_ROOT, path), 'utf8');
  return [...text.matchAll(pattern)].map((match) => normalize(join(dirname(path), match[1] ?? '')));
}

/** Every reference from a part to one that it must not depend on. */
function wrongDirections(
  paths: readonly string[],
  pattern: RegExp,
  allowed: Directions,
  part: (path: string) => string,
): string[] {
  return paths.flatMap((path) =>
    targetsOf(path, pattern)
      .filter((target) => !(allowed[part(path)] ?? []).includes(part(target)))
      .map((target) => `${path} depends on ${target}`),
  );
}

/** Cycles that a depth-first search meets: at least one where there is any. */
function cyclesIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

const modules = ['gateway', 'workers', 'native', 'infra'].flatMap((part) => filesBelow(part, /\.ts$/));

test('every import goes in an allowed direction', () => {
  assert.ok(modules.length > 10, 'the sources were found');
  assert.deepEqual(wrongDirections(modules, IMPORT, ALLOWED, partOf), []);
});

test('no import cycle, type imports included', () => {
  const graph = new Map(modules.map((path) => [path, targetsOf(path, STATIC_IMPORT)]));
  assert.ok([...graph.values()].flat().length > modules.length, 'the imports were found');
  assert.deepEqual(cyclesIn(graph), []);
});

const sources = Object.keys(ALLOWED_INCLUDES).flatMap((part) =>
  filesBelow(join('native', part), /\.(?:h|cc|mm|metal)$/),
);

test('every #include goes in an allowed direction', () => {
  assert.ok(sources.length > 50, 'the sources were found');
  const nativePart = (path: string): string => path.split('/')[1] ?? '';
  assert.deepEqual(wrongDirections(sources, INCLUDE, ALLOWED_INCLUDES, nativePart), []);
});

test('no #include cycle', () => {
  const graph = new Map(sources.map((path) => [path, targetsOf(path, INCLUDE)]));
  assert.deepEqual(cyclesIn(graph), []);
});

test('a cycle is found', () => {
  const graph = new Map([
    ['a', ['b', 'c']],
    ['b', ['d']],
    ['c', []],
    ['d', ['b']],
  ]);
  assert.deepEqual(cyclesIn(graph), ['b -> d -> b']);
});
