// `conclave start` interrupted before it serves or ended without being asked to stop: nothing of it is left, and it starts again.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { claimHome } from '../../infra/cli/supervise/claim-home.ts';
import type { ConfigInput } from '../../infra/config/config-schema.ts';
import { isAlive } from '../../infra/process/is-alive.ts';
import { cleanupInReverse, eventually, prepareHome, readReadyFile } from '../start-cluster.ts';
import { processesOf, type StartedConclave, startConclave } from '../start-conclave.ts';

/** Less than an answer may take to finish: a start has none. */
const SOON_MS = 20_000;
/** A model that has no room waits for a further node indefinitely. */
const NO_ROOM = { worker: { memoryBytes: 1 } };

async function starting(t: TestContext, file: string, settings: ConfigInput = {}) {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup, { drainSeconds: 60, ...settings });
  const conclave = startConclave(cleanup, prepared);
  const there = async () => existsSync(join(prepared.home, file));
  await eventually(file, there, (found) => found);
  return { ...prepared, conclave, startAgain: () => startConclave(cleanup, prepared) };
}

async function endsQuietly(
  home: string,
  conclave: StartedConclave,
  signal: NodeJS.Signals,
  said = /^$/,
): Promise<void> {
  const beganMs = performance.now();
  assert.equal(await conclave.ended, signal, conclave.said());
  assert.ok(performance.now() - beganMs < SOON_MS);
  assert.match(conclave.said(), said);
  assert.deepEqual(processesOf(home), []);
  assert.ok(!existsSync(join(home, 'ready.json')));
  claimHome(home)();
}

async function nothingIsLeft(home: string): Promise<void> {
  const count = async () => processesOf(home).length;
  await eventually('everything has ended', count, (left) => left === 0);
}

test('Ctrl-C while Redis is started ends it silently', async (t) => {
  const { home, conclave, startAgain } = await starting(t, 'start.lock');
  process.kill(-conclave.pid, 'SIGINT');
  await endsQuietly(home, conclave, 'SIGINT');
  await startAgain().ready();
});

test('so it does while gateway and worker are', async (t) => {
  const { home, conclave } = await starting(t, 'worker.log');
  process.kill(-conclave.pid, 'SIGINT');
  await endsQuietly(home, conclave, 'SIGINT');
});

test('SIGTERM ends a start that waits indefinitely', async (t) => {
  const { home, conclave } = await starting(t, 'worker.log', NO_ROOM);
  await eventually(
    'it waits',
    async () => conclave.said(),
    (said) => said !== '',
  );
  conclave.process.kill('SIGTERM');
  await endsQuietly(home, conclave, 'SIGTERM', /^node-1: .*\n$/);
});

test('a second Ctrl-C ends everything at once', async (t) => {
  const { home, conclave } = await starting(t, 'ready.json');
  const { gateway = 0 } = readReadyFile(home).pids;
  // Frozen, it cannot end within the time that answers have to finish.
  process.kill(gateway, 'SIGSTOP');
  t.after(() => isAlive(gateway) && process.kill(gateway, 'SIGKILL'));
  const beganMs = performance.now();
  const again = setInterval(() => process.kill(-conclave.pid, 'SIGINT'), 500);
  const ended = await conclave.ended;
  clearInterval(again);
  assert.equal(ended, 'SIGINT');
  assert.ok(performance.now() - beganMs < SOON_MS);
  process.kill(gateway, 'SIGCONT');
  await nothingIsLeft(home);
});

test('kill -9 of it or of its process group takes everything along, and it starts again', async (t) => {
  const { home, conclave, startAgain } = await starting(t, 'ready.json');
  process.kill(conclave.pid, 'SIGKILL');
  assert.equal(await conclave.ended, 'SIGKILL');
  await nothingIsLeft(home);
  const again = startAgain();
  await again.ready();
  process.kill(-again.pid, 'SIGKILL');
  await nothingIsLeft(home);
});
