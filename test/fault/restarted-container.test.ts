// A container that is killed starts again on its kept home, where it has the process id that it had before.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanupInReverse, eventually, prepareHome } from '../start-cluster.ts';
import { START_COMMAND, startConclave } from '../start-conclave.ts';

/** A process namespace of its own, whose first process is the command: what a container runtime makes. */
const CONTAINER = [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
  ...['--pid', '--fork', '--kill-child', '--mount-proc'],
];

const [program = '', ...args] = CONTAINER;
const hasContainers = spawnSync(program, [...args, 'true']).status === 0;
const skip = hasContainers ? false : 'no process namespaces can be made here (unshare)';

test('a container that is killed serves again from the same home', { skip, timeout: 180_000 }, async (t) => {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup);
  const command = [...CONTAINER, ...START_COMMAND];
  const first = startConclave(cleanup, prepared, command);
  await first.ready();
  first.process.kill('SIGKILL');
  await first.ended;
  rmSync(join(prepared.home, 'ready.json'));
  const second = startConclave(cleanup, prepared, command);
  // unshare ignores the SIGTERM that usually ends it.
  cleanup.after(async () => void second.process.kill('SIGKILL'));
  await second.ready();
});

test('of three starts at once one serves, and the others name it', { timeout: 180_000 }, async (t) => {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup);
  const starts = [1, 2, 3].map(() => startConclave(cleanup, prepared));
  await starts[0]?.ready();
  const ended = async () => starts.filter(({ process }) => process.exitCode !== null);
  const losers = await eventually('two have ended', ended, ({ length }) => length >= 2);
  assert.equal(losers.length, 2);
  for (const { ended: code, said } of losers) {
    assert.equal(await code, 1);
    assert.match(said(), /^conclave: Process \d+ on .* already serves from .*\n$/);
  }
});
