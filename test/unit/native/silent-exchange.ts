// In place of the exchange's Redis: says OK to all commands but reads, which never return. In a thread of its own, because
// the addon may block the test's.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { AddonRedisAddress } from '../../../native/addon-types.ts';

const SCRIPT = String.raw`
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const [, name] of chunk.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n/g)) {
        if (name === 'XREAD') parentPort.postMessage('read');
        else socket.write('+OK\r\n');
      }
    });
  });
  server.listen(workerData, () => parentPort.postMessage('listening'));`;

export interface SilentExchange {
  readonly address: AddonRedisAddress;
  /** Resolves when a client reads. */
  heard(): Promise<unknown>;
}

/** Stops after the file's tests. */
export async function startSilentExchange(): Promise<SilentExchange> {
  const folder = await mkdtemp(join(tmpdir(), 'cv-exchange-'));
  const path = join(folder, 'exchange');
  const worker = new Worker(SCRIPT, { eval: true, workerData: path });
  after(async () => {
    await worker.terminate();
    await rm(folder, { recursive: true, force: true });
  });
  const heard = (): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve));
  await heard();
  return { address: { path, host: '', port: 0, username: '', password: '', db: 0 }, heard };
}
