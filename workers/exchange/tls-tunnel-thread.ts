// The thread of a TlsTunnel: forwards every connection to its socket to the exchange. If that fails, the reply has the format
// of a Redis error, so that the client gets the reason.
import { createServer, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import type { TunnelConfig } from './tls-tunnel.ts';

const CONNECT_MS = 3_000;
const KEEP_ALIVE_MS = 10_000;

const { path, host, port } = workerData as TunnelConfig;

const server = createServer((local) => {
  const remote = connect({ host, port });
  const timer = setTimeout(() => remote.destroy(new Error('no answer')), CONNECT_MS);
  remote.setNoDelay(true);
  remote.setKeepAlive(true, KEEP_ALIVE_MS);
  remote.once('secureConnect', () => {
    clearTimeout(timer);
    join(local, remote);
  });
  remote.once('error', (error) => {
    clearTimeout(timer);
    local.end(`-ERR TLS to ${host}:${port} failed: ${error.message.replaceAll(/[\r\n]+/g, ' ')}\r\n`);
  });
  remote.once('close', () => local.end());
  local.once('error', () => remote.destroy());
  local.once('close', () => remote.destroy());
});
server.listen(path, () => parentPort?.postMessage('listening'));

function join(local: Socket, remote: TLSSocket): void {
  local.pipe(remote);
  remote.pipe(local);
}
