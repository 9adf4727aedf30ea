// Gets a pack from other nodes. In: their addresses, one of which should have it. Out: the file, its checksums verified. What
// one node began the next one finishes, so a node that dies costs nothing but its last bytes.
import type { FileHandle } from 'node:fs/promises';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { packFileName } from './pack-folder.ts';
import type { PackId } from './pack-format.ts';
import type { OnProgress } from './progress.ts';
import type { PackedModel } from './serve-packs.ts';
import { verifyPackFile } from './verify-packs.ts';
import { writeAt, writeFileAtomically } from './write-file-atomically.ts';

export interface PackPeers {
  /** Where the nodes serve their packs. */
  readonly urls: readonly string[];
  readonly token: string;
}

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
 * Writes the pack to `path`, whole or not at all. Throws `unavailable` naming what each node answered, and `bad_pack` when
 * what came does not match its checksums.
 */
export async function fetchPack(pack: PackId, path: string, peers: PackPeers, onProgress: OnProgress): Promise<void> {
  await writeFileAtomically(path, async (file, temporary) => {
    await receive(pack, file, peers, onProgress);
    await file.sync();
    await verifyPackFile(temporary, pack);
  });
}

async function receive(pack: PackId, file: FileHandle, { urls, token }: PackPeers, onProgress: OnProgress) {
  const failures: string[] = [];
  let done = 0;
  for (const url of urls) {
    try {
      const { statusCode, headers, body } = await get(`${url}/${packFileName(pack)}`, token, done);
      if (statusCode !== 206) {
        await body.dump();
        throw new Error(`answers ${statusCode}`);
      }
      const total = Number(String(headers['content-range']).split('/').at(-1));
      for await (const bytes of body) {
        await writeAt(file, bytes, done);
        done += bytes.length;
        onProgress({ what: `Fetching ${packFileName(pack)}`, done, total });
      }
      if (done === total) return;
      throw new Error(`ended after ${done} of ${total} bytes`);
    } catch (thrown) {
      failures.push(`${url}: ${messageOf(thrown)}`);
    }
  }
  throw unavailable(`No node gives ${packFileName(pack)}`, failures);
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
