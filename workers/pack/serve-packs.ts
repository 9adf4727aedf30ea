// Gives this node's weights to other nodes over HTTP: `GET /model` is what they are of, `GET /shared.pack` what belongs to no expert, and
// `GET /slots/<id>` an expert of a layer with its SHA-256 in a header; files and slots from the byte that `Range: bytes=<n>-` names. In:
// a pack folder and the token that callers must present. Writes nothing.
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ActivationType, countExperts, placeOfExpert } from '../../native/model-description.ts';
import type { StoredModel, WeightFormats } from '../model/stored-model.ts';
import { SHARED_PACK_FILE } from './pack-folder.ts';
import { readSlabTable, SLAB_TABLE_FILE, type SlotPlace, slotKey, slotsByKey } from './slab-table.ts';
import { slotLayout } from './slot-layout.ts';

/** What `GET /model` answers: enough to open packs without a checkpoint. */
export interface PackedModel {
  readonly modelHash: string;
  readonly activations: ActivationType;
  readonly formats: WeightFormats;
  /** Text of config.json. */
  readonly config: string;
}

/** Headers of a slot: its digest, and the hash of the model that it is of. */
export const DIGEST_HEADER = 'conclave-sha256';
export const MODEL_HEADER = 'conclave-model';

export interface ServedPacks {
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeRequest {
  readonly folder: string;
  readonly description: StoredModel;
  readonly model: PackedModel;
  readonly host: string;
  readonly token: string;
}

/** Serves `folder` on a free port of `host`. */
export async function servePacks(options: ServeRequest): Promise<ServedPacks> {
  const slots = new ServedSlots(options);
  const server = createServer((request, response) => {
    // A client that disconnects fails the answer, and needs no error.
    answer(options, slots, request, response).catch(() => response.destroy());
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

/** A range of a file, and its digest if it has one. */
interface ServedRange {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string | null;
}

/** Where slots are, read again whenever the table was replaced. */
class ServedSlots {
  readonly #folder: string;
  readonly #model: StoredModel;
  #version = '';
  #places: ReadonlyMap<string, SlotPlace> = new Map();

  constructor({ folder, description }: ServeRequest) {
    this.#folder = folder;
    this.#model = description;
  }

  /** Null for one that is not there. */
  async find(id: number): Promise<ServedRange | null> {
    if (id >= countExperts(this.#model)) return null;
    const { layer, expert } = placeOfExpert(this.#model, id);
    const place = (await this.#current()).get(slotKey(layer, expert));
    if (place === undefined) return null;
    const { slab, slot } = place;
    const bytes = slotLayout(this.#model, id).dataBytes;
    const sha256 = slab.sha256[slot] ?? null;
    return { path: join(this.#folder, slab.file), offset: slot * slab.slotBytes, bytes, sha256 };
  }

  async #current(): Promise<ReadonlyMap<string, SlotPlace>> {
    const found = await stat(join(this.#folder, SLAB_TABLE_FILE)).catch(() => null);
    const version = found === null ? '' : `${found.ino} ${found.mtimeMs}`;
    if (version === this.#version) return this.#places;
    const table = await readSlabTable(this.#folder);
    this.#places = table === null ? new Map() : slotsByKey(table);
    this.#version = version;
    return this.#places;
  }
}

async function answer(
  { folder, model, token }: ServeRequest,
  slots: ServedSlots,
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
  // Only what is named here: no path leads out of the folder.
  const id = /^slots\/(\d{1,9})$/.exec(name)?.[1];
  const found =
    id !== undefined ? await slots.find(Number(id)) : name === SHARED_PACK_FILE ? await wholeFile(folder) : null;
  if (found === null) return end(response, 404);
  response.setHeader(MODEL_HEADER, model.modelHash);
  await sendRange(found, request.headers.range, response);
}

async function wholeFile(folder: string): Promise<ServedRange | null> {
  const path = join(folder, SHARED_PACK_FILE);
  return stat(path).then(
    ({ size }) => ({ path, offset: 0, bytes: size, sha256: null }),
    () => null,
  );
}

async function sendRange(
  { path, offset, bytes, sha256 }: ServedRange,
  range: string | undefined,
  response: ServerResponse,
): Promise<void> {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (start >= bytes) return end(response, 416);
  const headers = { 'content-length': bytes - start, 'content-range': `bytes ${start}-${bytes - 1}/${bytes}` };
  const digest = sha256 === null ? {} : { [DIGEST_HEADER]: sha256 };
  response.writeHead(range === undefined ? 200 : 206, { ...headers, ...digest });
  await pipeline(createReadStream(path, { start: offset + start, end: offset + bytes - 1 }), response);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}

function isEqual(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
