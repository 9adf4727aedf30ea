// A hub in the test's process: lists and gives files as huggingface.co does, the large ones by a redirect to another address, and does
// what it is told to do wrong.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Cleanup } from './start-redis.ts';

export interface HubFaults {
  /** Called for each request for bytes; true: cut after half of them. */
  cut?: (number: number) => boolean;
  /** Called likewise; a status instead of bytes. */
  refuse?: (number: number) => number | null;
  /** Changes what is sent. */
  alter?: (name: string, bytes: Buffer) => Buffer;
  /** Given to those without this token. */
  token?: string;
}

export interface HubServer {
  readonly url: string;
  /** Ranges asked for, as `name from-end`. */
  readonly asked: string[];
  /** Authorization headers that came to the store of large files. */
  readonly leaked: string[];
  readonly faults: HubFaults;
  /** Adds or replaces a file. */
  put(name: string, bytes: Buffer): void;
}

const LARGE_BYTES = 4_096;

/** Serves the files of a folder as a repository. */
export async function startHub(test: Cleanup, repository: string, folder: string): Promise<HubServer> {
  const files = new Map<string, Buffer>(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  const asked: string[] = [];
  const leaked: string[] = [];
  const faults: HubFaults = {};
  let number = 0;
  const sendBytes = (request: IncomingMessage, response: ServerResponse, name: string): void => {
    number += 1;
    const refused = faults.refuse?.(number) ?? null;
    if (refused !== null) return void response.writeHead(refused, { 'retry-after': '0' }).end();
    const whole = files.get(name) ?? Buffer.alloc(0);
    const all = faults.alter?.(name, whole) ?? whole;
    const [, from = '0', last = String(all.length - 1)] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    asked.push(`${name} ${from}-${Number(last) + 1}`);
    const bytes = all.subarray(Number(from), Number(last) + 1);
    response.writeHead(206, {
      'content-range': `bytes ${from}-${last}/${all.length}`,
      'content-length': bytes.length,
    });
    if (faults.cut?.(number) !== true) return void response.end(bytes);
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
  };
  const store = createServer((request, response) => {
    if (request.headers.authorization !== undefined) leaked.push(request.headers.authorization);
    sendBytes(request, response, decodeURIComponent(request.url?.slice(1) ?? ''));
  });
  const storeUrl = await listen(test, store);
  const hub = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://hub');
    const commit = commitOf(files);
    if (faults.token !== undefined && request.headers.authorization !== `Bearer ${faults.token}`) {
      return void response.writeHead(401).end();
    }
    if (pathname === `/api/models/${repository}/revision/main`) {
      return void response.end(JSON.stringify({ sha: commit, siblings: [...files].map(describe) }));
    }
    const name = decodeURIComponent(pathname.slice(`/${repository}/resolve/${commit}/`.length));
    const file = files.get(name);
    if (!pathname.startsWith(`/${repository}/resolve/${commit}/`) || file === undefined) {
      return void response.writeHead(404).end();
    }
    if (file.length < LARGE_BYTES) return sendBytes(request, response, name);
    response.writeHead(302, { location: `${storeUrl}/${encodeURIComponent(name)}` }).end();
  });
  const url = await listen(test, hub);
  return { url, asked, leaked, faults, put: (name, bytes) => void files.set(name, bytes) };
}

function describe([rfilename, bytes]: [string, Buffer]): object {
  const blobId = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { rfilename, size: bytes.length, blobId, ...(bytes.length >= LARGE_BYTES && { lfs: { sha256 } }) };
}

function commitOf(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha1');
  for (const [name, bytes] of files) hash.update(name).update(bytes);
  return hash.digest('hex');
}

async function listen(test: Cleanup, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
