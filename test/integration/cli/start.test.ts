// `conclave start` when it cannot.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { claimHome } from '../../../infra/cli/supervise/claim-home.ts';
import { runConclave } from '../../run-conclave.ts';
import { processesOf } from '../../start-conclave.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

test('a model that cannot be opened is named, and nothing is left running', async (t) => {
  const home = await temporaryFolder(t);
  const model = join(home, 'nothing');
  const { status, stdout, stderr } = runConclave('start', '--port', '0', '--home', home, '--model', model);
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /The worker failed to start \(exit code 1\): .*nothing.config\.json does not exist; name a model folder/,
  );
  assert.ok(!existsSync(join(home, 'ready.json')));
  claimHome(home)();
});

test('a Redis that does not start says why, and the other one is not left running', async (t) => {
  const home = await temporaryFolder(t);
  const folder = join(home, 'redis-durable');
  mkdirSync(folder);
  writeFileSync(join(folder, 'appendonlydir'), 'in the way');
  const { status, stderr } = runConclave('start', '--port', '0', '--home', home);
  assert.equal(status, 1);
  assert.match(stderr, /^conclave: redis-server did not start: .*appendonlydir/);
  assert.deepEqual(processesOf(home), []);
  claimHome(home)();
});
