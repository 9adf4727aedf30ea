// The addon is linked with names left open, as Node fills some in: a source that binding.gyp forgets is noticed by nothing else
// until its first call.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

const NATIVE = join(REPOSITORY_ROOT, 'native');

test('binding.gyp has every C++ source of native/, and no other', () => {
  const inFolders = readdirSync(NATIVE, { recursive: true, encoding: 'utf8' }).filter(
    (path) => /\.(cc|mm)$/.test(path) && !path.startsWith('build/'),
  );
  const listed = readFileSync(join(NATIVE, 'binding.gyp'), 'utf8').matchAll(/'([\w/.-]+\.(?:cc|mm))'/g);
  assert.deepEqual([...new Set(Array.from(listed, ([, path]) => path))].sort(), inFolders.sort());
});
