// `conclave start` when it cannot.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runConclave } from '../../run-conclave.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

test('a model that cannot be opened is named, and nothing is left running', async (t) => {
  const home = await temporaryFolder(t);
  const model = join(home, 'nothing');
  const { status, stdout, stderr } = runConclave('start', '--port', '0', '--home', home, '--model', model);
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /The worker ended at its start \(exit code 1\): .*nothing.config\.json cannot be read/);
  assert.deepEqual(
    ['ready.json', 'start.pid'].filter((file) => existsSync(join(home, file))),
    [],
  );
});
