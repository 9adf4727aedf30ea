// Signals that ask `conclave start` to stop: what runs may finish, what takes longer is left resumable, nothing is left behind.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openStream, Transcript } from '../chat-stream.ts';
import { cleanupInReverse, longChatBody, prepareHome, readReadyFile } from '../start-cluster.ts';
import { processesOf, type StartedConclave, startConclave } from '../start-conclave.ts';

/** Longer than a start takes on any machine, so that waiting for a lease that was not released is detected. */
const LEASE_SECONDS = 50;

function longCall(url: string, key: string, maxTokens: number) {
  return { method: 'POST' as const, url: `${url}/v1/chat/completions`, key, body: longChatBody(maxTokens) };
}

async function finishesAnswer(
  t: TestContext,
  interrupt: (conclave: StartedConclave) => Promise<void>,
  end: 0 | NodeJS.Signals = 0,
): Promise<string> {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup, { drainSeconds: 60, worker: { leaseSeconds: LEASE_SECONDS } });
  const conclave = startConclave(cleanup, prepared);
  const { url, apiKey } = await conclave.ready();
  const transcript = new Transcript();
  const stream = await openStream(longCall(url, apiKey, 400), transcript);
  await stream.read(() => transcript.ids.length > 10);
  await interrupt(conclave);
  await stream.read();
  assert.ok(transcript.done);
  assert.equal(await conclave.ended, end);
  assert.deepEqual(processesOf(prepared.home), []);
  assert.throws(() => readReadyFile(prepared.home), { code: 'ENOENT' });
  await startsWithoutDelay(startConclave(cleanup, prepared));
  return conclave.said();
}

async function startsWithoutDelay(conclave: StartedConclave): Promise<void> {
  const beganMs = performance.now();
  await conclave.ready();
  assert.ok(performance.now() - beganMs < LEASE_SECONDS * 1000, 'it waited for the lease of its predecessor');
}

const QUIETLY = 'Stopping. Running answers may finish; press Ctrl-C again to stop immediately.\n';

test('SIGTERM lets a running answer finish, then everything ends with exit code 0', async (t) => {
  const said = await finishesAnswer(t, async ({ process }) => void process.kill('SIGTERM'));
  assert.equal(said, QUIETLY);
});

test('so does SIGTERM to the whole process group', async (t) => {
  const said = await finishesAnswer(t, async ({ pid }) => void process.kill(-pid, 'SIGTERM'));
  assert.equal(said, QUIETLY);
});

test('so does Ctrl-C, which a terminal sends to the whole group, and npm once more', async (t) => {
  const said = await finishesAnswer(t, async ({ pid }) => {
    process.kill(-pid, 'SIGINT');
    await new Promise(setImmediate);
    process.kill(pid, 'SIGINT');
  });
  assert.equal(said, QUIETLY);
});

test('so does a terminal that is closed', async (t) => {
  await finishesAnswer(t, async ({ pid }) => void process.kill(-pid, 'SIGHUP'), 'SIGHUP');
});

test('so does SIGTERM to each single process, as systemd sends it by default', async (t) => {
  await finishesAnswer(t, async ({ pid, ready }) => {
    for (const each of [...Object.values((await ready()).pids), pid]) process.kill(each, 'SIGTERM');
  });
});

test('npm passes SIGTERM on and waits', async (t) => {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup);
  const npm = startConclave(cleanup, prepared, ['npm', 'start', '--']);
  await npm.ready();
  npm.process.kill('SIGTERM');
  assert.equal(await npm.ended, 0);
  assert.deepEqual(processesOf(prepared.home), []);
});

test('an answer longer than the drain time is continued after the next start', async (t) => {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup, { drainSeconds: 0.05 });
  const first = startConclave(cleanup, prepared);
  const before = await first.ready();
  const undisturbed = new Transcript();
  await (await openStream(longCall(before.url, before.apiKey, 1500), undisturbed)).read();
  const transcript = new Transcript();
  const stream = await openStream(longCall(before.url, before.apiKey, 1500), transcript);
  await stream.read(() => transcript.ids.length > 10);
  first.process.kill('SIGTERM');
  await stream.read();
  assert.equal(await first.ended, 0);
  assert.deepEqual([transcript.done, transcript.error], [false, 'unavailable'], 'an event says what happened');

  const { url, apiKey } = await startConclave(cleanup, prepared).ready();
  const rest = new Transcript();
  const headers = { 'last-event-id': String(transcript.lastId) };
  await (await openStream({ method: 'GET', url: `${url}/v1/streams/${stream.id}`, key: apiKey, headers }, rest)).read();
  assert.equal(transcript.text + rest.text, undisturbed.text);
  assert.deepEqual([...transcript.ids, ...rest.ids], undisturbed.ids);
  assert.ok(rest.done);
});
