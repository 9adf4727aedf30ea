// SIGTERM or Ctrl-C to `conclave start`: what runs may finish, what takes longer is left resumable, nothing is left behind.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStream, Transcript } from '../chat-stream.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { eventually, lastFirst, prepareHome, readReadyFile, storyOf } from '../start-cluster.ts';
import type { Cleanup } from '../start-redis.ts';

interface Started {
  readonly process: ChildProcess;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<unknown>;
}

function start(cleanup: Cleanup, { home, modelFolder, configFile }: Awaited<ReturnType<typeof prepareHome>>): Started {
  const args = ['start', '--home', home, '--model', modelFolder, '--config', configFile, '--port', '0'];
  const child = spawn(process.execPath, [join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs'), ...args], {
    stdio: 'ignore',
    // With its children a process group of its own, as a terminal makes it.
    detached: true,
  });
  const ended = once(child, 'exit').then(([code, signal]) => signal ?? code);
  cleanup.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { process: child, ended };
}

async function ready(home: string) {
  const file = await eventually(
    'ready.json',
    async () => {
      try {
        return readReadyFile(home);
      } catch {
        return null;
      }
    },
    (found) => found !== null,
  );
  assert.ok(file !== null);
  return file;
}

function longCall(url: string, key: string, maxTokens: number) {
  return { method: 'POST' as const, url: `${url}/v1/chat/completions`, key, body: storyOf(maxTokens) };
}

async function finishesAnswer(t: TestContext, interrupt: (conclave: Started) => void): Promise<void> {
  const cleanup = lastFirst(t);
  const prepared = await prepareHome(cleanup, { drainSeconds: 60 });
  const conclave = start(cleanup, prepared);
  const { url, apiKey, pids } = await ready(prepared.home);
  const transcript = new Transcript();
  const stream = await openStream(longCall(url, apiKey, 400), transcript);
  await stream.read(() => transcript.ids.length > 10);
  interrupt(conclave);
  await stream.read();
  assert.ok(transcript.done);
  assert.equal(await conclave.ended, 0);
  for (const pid of Object.values(pids)) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  assert.throws(() => readReadyFile(prepared.home), { code: 'ENOENT' });
}

test('SIGTERM lets a running answer finish, then everything ends with exit code 0', (t) =>
  finishesAnswer(t, (conclave) => conclave.process.kill('SIGTERM')));

test('so does Ctrl-C, which a terminal sends to every process of the group', (t) =>
  finishesAnswer(t, ({ process: { pid } }) => {
    assert.ok(pid !== undefined);
    process.kill(-pid, 'SIGINT');
  }));

test('an answer longer than the drain time is continued after the next start', async (t) => {
  const cleanup = lastFirst(t);
  const prepared = await prepareHome(cleanup, { drainSeconds: 0.05 });
  const first = start(cleanup, prepared);
  const before = await ready(prepared.home);
  const undisturbed = new Transcript();
  await (await openStream(longCall(before.url, before.apiKey, 1500), undisturbed)).read();
  const transcript = new Transcript();
  const stream = await openStream(longCall(before.url, before.apiKey, 1500), transcript);
  await stream.read(() => transcript.ids.length > 10);
  first.process.kill('SIGTERM');
  await stream.read();
  assert.equal(await first.ended, 0);
  assert.deepEqual([transcript.done, transcript.error], [false, 'unavailable'], 'an event says what happened');

  start(cleanup, prepared);
  const { url, apiKey } = await ready(prepared.home);
  const rest = new Transcript();
  const headers = { 'last-event-id': String(transcript.lastId) };
  await (await openStream({ method: 'GET', url: `${url}/v1/streams/${stream.id}`, key: apiKey, headers }, rest)).read();
  assert.equal(transcript.text + rest.text, undisturbed.text);
  assert.deepEqual([...transcript.ids, ...rest.ids], undisturbed.ids);
  assert.ok(rest.done);
});
