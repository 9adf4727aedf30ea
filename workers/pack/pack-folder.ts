// Names of pack folders and what is in them.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PACK_VERSION } from './pack-format.ts';

// 128 bits: sources are not adversarial, so a prefix of the hash identifies them.
const HASH_DIGITS = 32;

/** What belongs to no expert: attention, norms, routers, embeddings. */
export const SHARED_PACK_FILE = 'shared.pack';

/** `<home>/packs`. */
export function packsRoot(home: string): string {
  return join(home, 'packs');
}

/** Where the packs made from a source lie: its key is source hash and version of the packs. */
export function packFolder(home: string, sourceHash: string): string {
  return join(packsRoot(home), `${sourceHash.slice(0, HASH_DIGITS)}-v${PACK_VERSION}`);
}

/** Deletes the folders of older versions, which nothing reads any more; -> their paths. */
export async function removeOldPacks(home: string): Promise<readonly string[]> {
  const names = await readdir(packsRoot(home)).catch(() => []);
  const old = names.filter((name) => isOld(name)).map((name) => join(packsRoot(home), name));
  await Promise.all(old.map((folder) => rm(folder, { recursive: true, force: true })));
  return old;
}

/** `<hash>-v<version>`, and before that `<hash>-layout<version>-<dtype>`. */
function isOld(name: string): boolean {
  const version = /^[0-9a-f]{32}-v(\d+)$/.exec(name)?.[1];
  return version === undefined ? /^[0-9a-f]{32}-layout\d+-\w+$/.test(name) : Number(version) < PACK_VERSION;
}
