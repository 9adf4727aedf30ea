// Of all processes that want a home folder exactly one gets it, whatever an earlier one left there.
import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { claimHome } from '../../../infra/cli/supervise/claim-home.ts';
import { HOST_COMPILER } from '../../native/host-target.ts';
import { runConclave } from '../../run-conclave.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const CLAIMANT = join(import.meta.dirname, 'claim-on-demand.js');
const PROCESSES = 8;
const ROUNDS = 25;

async function claimants(t: TestContext, home: string): Promise<readonly ChildProcess[]> {
  const children = Array.from({ length: PROCESSES }, () => fork(CLAIMANT, [home]));
  t.after(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  await Promise.all(children.map((child) => once(child, 'message')));
  return children;
}

async function ask(children: readonly ChildProcess[], what: 'claim' | 'release'): Promise<readonly unknown[]> {
  const answers = children.map(async (child) => (await once(child, 'message'))[0] as unknown);
  for (const child of children) child.send(what);
  return Promise.all(answers);
}

test(`of ${PROCESSES} processes at once exactly one claims a home, ${ROUNDS} times`, {
  timeout: 120_000,
}, async (t) => {
  const home = await temporaryFolder(t);
  const children = await claimants(t, home);
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await ask(children, 'claim');
    const others = answers.filter((answer) => answer !== 'claimed');
    assert.equal(others.length, PROCESSES - 1, `round ${round}: ${answers.join('; ')}`);
    for (const answer of others)
      assert.match(String(answer), / already serves from .*\. Stop it, or name another folder/);
    await ask(children, 'release');
  }
});

const ENDED = spawnSync(process.execPath, ['--version']).pid;
for (const [what, left] of [
  ['the process id that this process has', String(process.pid)],
  ['the process id of a living process', String(process.ppid)],
  ['the process id of a dead process', String(ENDED)],
  ['nothing', ''],
  ['something else', 'not a process id'],
] as const) {
  test(`files of an earlier start with ${what} in them claim nothing`, async (t) => {
    const home = await temporaryFolder(t);
    for (const file of ['start.pid', 'start.lock']) writeFileSync(join(home, file), left);
    claimHome(home)();
  });
}

test('a claimed home names its process', async (t) => {
  const home = await temporaryFolder(t);
  const release = claimHome(home);
  const owner = `Process ${process.pid} on ${hostname()}`;
  const message = `${owner} already serves from ${home}. Stop it, or name another folder with --home.`;
  assert.throws(() => claimHome(home), { name: 'DomainError', code: 'conflict', message });
  const { status, stderr } = runConclave('start', '--home', home, '--port', '0');
  assert.deepEqual([status, stderr], [1, `conclave: ${message}\n`]);
  release();
  claimHome(home)();
});

test('a lock file that cannot be opened is named with a remedy', async (t) => {
  const home = await temporaryFolder(t);
  mkdirSync(join(home, 'start.lock'));
  const { status, stderr } = runConclave('start', '--home', home, '--port', '0');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^conclave: .*start\.lock cannot be locked: EISDIR.* Name a folder on a local disk with --home\.\n$/,
  );
});

const preloads = process.platform === 'linux';
test('a filesystem without locks is named', { skip: preloads ? false : 'needs LD_PRELOAD' }, async (t) => {
  const [home, library] = [await temporaryFolder(t), join(await temporaryFolder(t), 'no-locks.so')];
  const source = '#include <errno.h>\nextern "C" int flock(int, int) { errno = ENOLCK; return -1; }\n';
  const flags = ['-shared', '-fPIC', '-x', 'c++', '-', '-o', library];
  const built = spawnSync(HOST_COMPILER, flags, { input: source, encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  const { status, stderr } = spawnSync(process.execPath, [CLAIMANT, home], {
    env: { ...process.env, LD_PRELOAD: library },
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.match(
    stderr,
    /start\.lock cannot be locked: No locks available\. Name a folder on a local disk with --home\./,
  );
});
