import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SupervisedRedis } from '../../../infra/cli/supervise/supervised-redis.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

test('a stop that comes while a server that died is started again leaves none running', async (t) => {
  let died = (): void => {};
  const ended = new Promise<void>((resolve) => {
    died = resolve;
  });
  const pids: number[] = [];
  const events = { onEnd: () => died(), onRestart: () => pids.push(server.pid) };
  const dir = await temporaryFolder(t);
  const server = await SupervisedRedis.start({ role: 'exchange', dir, listen: 'unix' }, events);
  pids.push(server.pid);
  process.kill(server.pid, 'SIGKILL');
  await ended;
  await server.stop();
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});
