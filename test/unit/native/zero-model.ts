// A model of one layer whose every weight is zero: sessions that run, for tests of the addon's edges.
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { AddonMappedFile, AddonModelSession } from '../../../native/addon-types.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { expertTable, type PlainSizes, plainModel, sharedTable } from './plain-model.ts';

export const addon = loadAddon();
export const ADDON_PATH = join(REPOSITORY_ROOT, 'native/build/Release/conclave.node');

const folder = await mkdtemp(join(tmpdir(), 'cv-addon-'));
after(() => rm(folder, { recursive: true, force: true }));

export const SIZES: PlainSizes = {
  dModel: 8,
  vocab: 5,
  maxContext: 128,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  experts: 2,
  ffn: 8,
};
export const MODEL = plainModel(SIZES);
export const LIMITS = { backend: 'cpu', threads: 2, kvBlocks: 4, maxRows: 16, variant: '' };

/** A pack whose every byte is zero: valid weights, so that steps run. */
export const packPath = join(folder, 'zeros.pack');
writeFileSync(packPath, new Uint8Array(1 << 16));

/** Of the shared weights and of each expert. */
export const TABLES = [sharedTable(SIZES), ...[0, 1].map((expert) => expertTable(SIZES, expert))].map((table) => [
  ...table,
]);

export function attach(session: AddonModelSession, file: AddonMappedFile): void {
  for (const table of TABLES) session.attach(file, Float64Array.from(table));
}

export function readySession(): AddonModelSession {
  const session = addon.createSession(MODEL, LIMITS);
  attach(session, addon.mapFile(packPath));
  return session;
}

export function oneRow(session: AddonModelSession, logits = new Float32Array(SIZES.vocab)): Promise<void> {
  const one = new Int32Array(1);
  return session.step(one, one, one, one, 1, one, logits);
}
