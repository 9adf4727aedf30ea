import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendsFor, openFirst } from '../../../native/choose-backend.ts';

test('auto prefers the GPU of a Mac with Apple silicon and nothing else', () => {
  assert.deepEqual(backendsFor('auto', 'darwin', 'arm64'), ['metal', 'cpu']);
  assert.deepEqual(backendsFor('auto', 'darwin', 'x64'), ['cpu']);
  assert.deepEqual(backendsFor('auto', 'linux', 'arm64'), ['cpu']);
});

test('a backend asked for by name is the only one', () => {
  assert.deepEqual(backendsFor('metal', 'linux', 'x64'), ['metal']);
  assert.deepEqual(backendsFor('cpu', 'darwin', 'arm64'), ['cpu']);
});

test('falls back to the CPU with a warning that says why', () => {
  const warnings: string[] = [];
  const open = (backend: string) => {
    if (backend === 'metal') throw new Error('no GPU');
    return backend;
  };
  const opened = openFirst(['metal', 'cpu'], open, (message) => warnings.push(message));
  assert.equal(opened, 'cpu');
  assert.deepEqual(warnings, ['Backend metal cannot be used (no GPU); computing with cpu.']);
});

test('fails with the last reason when nothing opens', () => {
  const open = (backend: string) => {
    throw new Error(`${backend} is broken`);
  };
  assert.throws(() => openFirst(['metal', 'cpu'], open, () => {}), /cpu is broken/);
});
