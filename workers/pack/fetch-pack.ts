// Gets weights from other nodes. In: their addresses, one of which should have them. Out: files and slots, their checksums verified.
// What one node began the next one finishes, so a node that dies costs nothing but its last bytes.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { nameExpert } from '../../native/model-description.ts';
import type { StoredModel } from '../model/stored-model.ts';
import type { SlotSource } from './fill-slots.ts';
import { SHARED_PACK_FILE } from './pack-folder.ts';
import type { PackId } from './pack-format.ts';
import type { OnProgress } from './progress.ts';
import { DIGEST_HEADER, MODEL_HEADER, type PackedModel } from './serve-packs.ts';
import { slotLayout } from './slot-layout.ts';
import { verifyPackFile } from './verify-packs.ts';
import { writeAt, writeFileAtomically } from './write-file-atomically.ts';

export interface PackPeers {
  /** Where the nodes serve their packs. */
  readonly urls: readonly string[];
  readonly token: string;
}

/** Nodes that may have a part, asked for at the time of need; null: any nodes. */
export type FindPeers = (pack: PackId | null) => Promise<PackPeers>;

/** Idle timeout for the transfer from a node. */
const SILENCE_MS = 15_000;

/** Reads from the first node that answers what its packs are of. Throws `unavailable` when none does. */
export async function fetchPackedModel({ urls, token }: PackPeers): Promise<PackedModel> {
  const failures: string[] = [];
  for (const url of urls) {
    try {
      const { statusCode, body } = await get(`${url}/model`, token, 0);
      if (statusCode === 200) return (await body.json()) as PackedModel;
      await body.dump();
      failures.push(`${url} answers ${statusCode}`);
    } catch (thrown) {
      failures.push(`${url}: ${messageOf(thrown)}`);
    }
  }
  throw unavailable('No node gives its model', failures);
}

/**
 * Writes the shared pack to `path`, whole or not at all. Throws `unavailable` naming what each node answered, and `bad_pack`
 * when what came does not match its checksums.
 */
export async function fetchSharedPack(path: string, peers: PackPeers, onProgress: OnProgress): Promise<void> {
  await writeFileAtomically(path, async (file, temporary) => {
    const failures: string[] = [];
    const part = new ReceivedPart(file, 0);
    const whole = await receiveFrom(peers, SHARED_PACK_FILE, part, null, failures, (_, total) =>
      onProgress({ what: `Fetching ${SHARED_PACK_FILE}`, done: part.done, total }),
    );
    if (!whole) throw unavailable(`No node gives ${SHARED_PACK_FILE}`, failures);
    await file.sync();
    await verifyPackFile(temporary);
  });
}

/** The experts that other nodes hold. */
export function peerSlots(model: StoredModel, modelHash: string, findPeers: FindPeers): SlotSource {
  return {
    verb: 'Fetching',
    write: async (id, file, position, onBytes) => {
      const failures: string[] = [];
      const part = new ReceivedPart(file, position);
      const peers = await findPeers(id);
      const expected = { modelHash, bytes: slotLayout(model, id).dataBytes };
      const whole = await receiveFrom(peers, `slots/${id}`, part, expected, failures, onBytes);
      if (!whole) throw unavailable(`No node gives ${nameExpert(model, id)}`, failures);
      return part.sha256;
    },
  };
}

/** What has come of a file or slot. */
class ReceivedPart {
  readonly #file: FileHandle;
  readonly #position: number;
  #hash = createHash('sha256');
  done = 0;
  /** As the nodes say; '' for a file that carries its own. */
  sha256 = '';

  constructor(file: FileHandle, position: number) {
    this.#file = file;
    this.#position = position;
  }

  async take(bytes: Uint8Array): Promise<void> {
    await writeAt(this.#file, bytes, this.#position + this.done);
    this.#hash.update(bytes);
    this.done += bytes.length;
  }

  /** Throws when all of it came, and it is not what was to come. */
  check(): void {
    if (this.sha256 !== '' && this.#hash.digest('hex') !== this.sha256)
      throw new Error('sends other bytes than its checksum says');
  }

  beginAgain(): void {
    this.done = 0;
    this.#hash = createHash('sha256');
  }
}

/** What a slot must be of. */
interface ExpectedPart {
  readonly modelHash: string;
  readonly bytes: number;
}

/** Whether it came whole. A node that sends something else is as one that sends nothing. */
async function receiveFrom(
  { urls, token }: PackPeers,
  name: string,
  part: ReceivedPart,
  expected: ExpectedPart | null,
  failures: string[],
  onBytes: (bytes: number, total: number) => void,
): Promise<boolean> {
  for (const url of urls) {
    try {
      await receive(`${url}/${name}`, token, part, expected, onBytes);
      return true;
    } catch (thrown) {
      failures.push(`${url}: ${messageOf(thrown)}`);
    }
  }
  return false;
}

async function receive(
  url: string,
  token: string,
  part: ReceivedPart,
  expected: ExpectedPart | null,
  onBytes: (bytes: number, total: number) => void,
): Promise<void> {
  const { statusCode, headers, body } = await get(url, token, part.done);
  if (statusCode !== 206) {
    await body.dump();
    throw new Error(`answers ${statusCode}`);
  }
  const total = Number(String(headers['content-range']).split('/').at(-1));
  if (expected !== null && (total !== expected.bytes || headers[MODEL_HEADER] !== expected.modelHash)) {
    body.destroy();
    throw new Error('has it of another model');
  }
  const sha256 = String(headers[DIGEST_HEADER] ?? '');
  if (part.done > 0 && sha256 !== part.sha256) {
    body.destroy();
    part.beginAgain();
    return receive(url, token, part, expected, onBytes);
  }
  part.sha256 = sha256;
  try {
    for await (const bytes of body) {
      // The slot behind is another expert's.
      if (part.done + bytes.length > total) throw new Error('sends more than it says');
      await part.take(bytes);
      onBytes(bytes.length, total);
    }
    if (part.done !== total) throw new Error(`ended after ${part.done} of ${total} bytes`);
    part.check();
  } catch (thrown) {
    if (part.done >= total) part.beginAgain();
    throw thrown;
  }
}

async function get(url: string, token: string, start: number) {
  // Loaded by nodes that fetch: it would delay the start of every other one.
  const { request } = await import('undici');
  const headers = { authorization: `Bearer ${token}`, range: `bytes=${start}-` };
  return request(url, { headers, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS });
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function unavailable(what: string, failures: readonly string[]): DomainError {
  const tried = failures.length === 0 ? 'no node of the group has packs to give' : failures.join('; ');
  return new DomainError('unavailable', `${what}: ${tried}.`);
}
