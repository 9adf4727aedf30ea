// Names of packs and their folder. Pure.
import { join } from 'node:path';
import { PACK_VERSION, type PackId } from './pack-format.ts';

// 128 bits: sources are not adversarial, so a prefix of the hash identifies them.
const HASH_DIGITS = 32;

/** `<home>/packs`. */
export function packsRoot(home: string): string {
  return join(home, 'packs');
}

/** Where the packs made from a source lie: its key is source hash and version of the packs. */
export function packFolder(home: string, sourceHash: string): string {
  return join(packsRoot(home), `${sourceHash.slice(0, HASH_DIGITS)}-v${PACK_VERSION}`);
}

export function packFileName(pack: PackId): string {
  return pack === 'shared' ? 'shared.pack' : `expert-${String(pack).padStart(3, '0')}.pack`;
}

/** The pack a file name stands for; undefined for any other file. */
export function packOfFileName(name: string): PackId | undefined {
  if (name === 'shared.pack') return 'shared';
  const digits = /^expert-(\d{3,})\.pack$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** 'shared' and every expert of a model. */
export function allPacks(experts: number): PackId[] {
  return ['shared', ...Array.from({ length: experts }, (_, expert) => expert)];
}
