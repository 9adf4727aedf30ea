// Gives this node's packs to other nodes over HTTP: `GET /model` is what they are of, `GET /<pack file>` is a pack, from the
// byte that `Range: bytes=<n>-` names. In: a pack folder and the token that callers must present. Writes nothing.
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ActivationType } from '../../native/model-description.ts';
import type { WeightFormats } from '../model/stored-model.ts';
import { packOfFileName } from './pack-folder.ts';

/** What `GET /model` answers: enough to open packs without a checkpoint. */
export interface PackedModel {
  readonly modelHash: string;
  readonly activations: ActivationType;
  readonly formats: WeightFormats;
  /** Text of config.json. */
  readonly config: string;
}

export interface ServedPacks {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves `folder` on a free port of `host`. */
export async function servePacks(options: {
  readonly folder: string;
  readonly model: PackedModel;
  readonly host: string;
  readonly token: string;
}): Promise<ServedPacks> {
  const server = createServer((request, response) => {
    // A client that disconnects fails the answer, and needs no error.
    answer(options, request, response).catch(() => response.destroy());
  });
  server.listen(0, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(
  { folder, model, token }: { readonly folder: string; readonly model: PackedModel; readonly token: string },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isEqual(request.headers.authorization ?? '', `Bearer ${token}`)) return end(response, 401);
  const name = (request.url ?? '').slice(1);
  if (request.method !== 'GET') return end(response, 405);
  if (name === 'model') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(model));
    return;
  }
  // Only the names of packs: no path leads out of the folder.
  if (packOfFileName(name) === undefined) return end(response, 404);
  await sendFile(join(folder, name), request.headers.range, response);
}

async function sendFile(path: string, range: string | undefined, response: ServerResponse): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => null,
  );
  if (size === null) return end(response, 404);
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (start >= size) return end(response, 416);
  const headers = { 'content-length': size - start, 'content-range': `bytes ${start}-${size - 1}/${size}` };
  response.writeHead(range === undefined ? 200 : 206, headers);
  await pipeline(createReadStream(path, { start }), response);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}

function isEqual(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
