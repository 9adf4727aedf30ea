// A model of one layer whose every weight is zero: sessions that run, for tests of the addon's edges.
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { AddonMappedFile, AddonModelSession, AddonModelShape } from '../../../native/addon-types.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

export const addon = loadAddon();
export const ADDON_PATH = join(REPOSITORY_ROOT, 'native/build/Release/conclave.node');

const folder = await mkdtemp(join(tmpdir(), 'cv-addon-'));
after(() => rm(folder, { recursive: true, force: true }));

export const SHAPE: AddonModelShape = {
  dtype: 0,
  layers: 1,
  dModel: 8,
  vocab: 5,
  maxContext: 128,
  normEpsilon: 1e-5,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  clipQkv: Number.POSITIVE_INFINITY,
  ropeTheta: 10_000,
  experts: 2,
  topK: 1,
  routerNormalization: 1,
  ffn: 8,
};
export const LIMITS = { backend: 'cpu', threads: 2, kvBlocks: 4, maxRows: 16, variant: '' };

/** A pack whose every byte is zero: valid weights, so that steps run. */
export const packPath = join(folder, 'zeros.pack');
writeFileSync(packPath, new Uint8Array(1 << 16));

export function attach(session: AddonModelSession, file: AddonMappedFile): void {
  // Every section may be the same zeros.
  session.attachShared(file, new Float64Array(SHAPE.layers * 5 + 3));
  for (let expert = 0; expert < SHAPE.experts; expert += 1) session.attachExpert(expert, file, new Float64Array(2));
}

export function readySession(): AddonModelSession {
  const session = addon.createSession(SHAPE, LIMITS);
  attach(session, addon.mapFile(packPath));
  return session;
}

export function oneRow(session: AddonModelSession, logits = new Float32Array(SHAPE.vocab)): Promise<void> {
  const one = new Int32Array(1);
  return session.step(one, one, one, one, 1, one, logits);
}
