// `auto` on a Mac: a GPU that cannot be used is replaced by the CPU before anything was computed, and never afterwards. The
// sessions are real, on the emulated GPU and the CPU.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import type { AddonMappedFile, AddonModelSession } from '../../../native/addon-types.ts';
import { FallbackSession } from '../../../native/fallback-session.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { toNativeError } from '../../../native/native-error.ts';
import { WHOLE_GPU } from '../../emulated-group.ts';
import { expertTable, type PlainSizes, plainModel, sharedTable } from './plain-model.ts';

const addon = loadAddon();
const SIZES: PlainSizes = {
  dModel: 64,
  vocab: 64,
  maxContext: 64,
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  experts: 2,
  ffn: 64,
};
const MODEL = plainModel(SIZES);
/** More than the sections of any pack here. */
const PACK_BYTES = 1 << 20;

const folder = mkdtempSync(join(tmpdir(), 'cv-fallback-'));
const packPath = join(folder, 'zeros');
writeFileSync(packPath, new Uint8Array(PACK_BYTES));
after(() => rmSync(folder, { recursive: true }));
afterEach(() => addon.setEmulatedGpu(WHOLE_GPU));

function openAuto(warnings: string[] = []): FallbackSession<AddonModelSession> {
  const limits = { threads: 1, kvBlocks: 1, maxRows: 4, variant: '' };
  return new FallbackSession({
    backends: ['metal-emulated', 'cpu'],
    open: (backend) => addon.createSession(MODEL, { ...limits, backend }),
    warn: (message) => warnings.push(message),
  });
}

function attachAll(session: FallbackSession<AddonModelSession>, file: () => AddonMappedFile): void {
  session.attach((raw) => raw.attach(file(), sharedTable(SIZES)));
  for (const expert of [0, 1]) session.attach((raw) => raw.attach(file(), expertTable(SIZES, expert)));
}

async function oneStep(session: FallbackSession<AddonModelSession>): Promise<void> {
  const one = new Int32Array(1);
  await session.use().step(one, one, one, one, 1, one, new Float32Array(SIZES.vocab));
}

test('a GPU that takes everything is kept', async () => {
  const warnings: string[] = [];
  const session = openAuto(warnings);
  attachAll(session, () => addon.mapFile(packPath));
  await oneStep(session);
  assert.deepEqual([session.backend, warnings], ['metal-emulated', []]);
});

for (const [what, gpu, reason] of [
  ['is not of Apple silicon', { appleSilicon: false }, /is no GPU of Apple silicon \(M1 or newer\)/],
  ['has no room for the KV cache', { workingSetBytes: 1000 }, /iogpu\.wired_limit_mb|hold fewer experts/],
  [
    'does not compile a kernel',
    { refusedKernel: 'normalize' },
    /kernels did not compile: this kernel was to be refused/,
  ],
] as const) {
  test(`a GPU that ${what} is replaced at once, with a warning`, async () => {
    addon.setEmulatedGpu({ ...WHOLE_GPU, ...gpu });
    const warnings: string[] = [];
    const session = openAuto(warnings);
    attachAll(session, () => addon.mapFile(packPath));
    await oneStep(session);
    assert.equal(session.backend, 'cpu');
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /^Backend metal-emulated cannot be used \(.*\)\. Falling back to cpu\.$/);
    assert.match(warnings[0] ?? '', reason);
  });
}

test('a GPU that has no room for the second expert is replaced, and the CPU gets all packs', async () => {
  addon.setEmulatedGpu({ ...WHOLE_GPU, workingSetBytes: 3 * PACK_BYTES });
  const warnings: string[] = [];
  const session = openAuto(warnings);
  attachAll(session, () => addon.mapFile(packPath));
  await oneStep(session);
  assert.equal(session.backend, 'cpu');
  assert.match(warnings[0] ?? '', /weights and cache need .* on the GPU/);
});

test('a GPU that has computed is not replaced', () => {
  addon.setEmulatedGpu({ ...WHOLE_GPU, workingSetBytes: 3 * PACK_BYTES });
  const session = openAuto();
  session.attach((raw) => raw.attach(addon.mapFile(packPath), sharedTable(SIZES)));
  session.attach((raw) => raw.attach(addon.mapFile(packPath), expertTable(SIZES, 0)));
  session.use();
  assert.throws(
    () => session.attach((raw) => raw.attach(addon.mapFile(packPath), expertTable(SIZES, 1))),
    (thrown) => toNativeError(thrown).code === 'out_of_memory',
  );
  assert.equal(session.backend, 'metal-emulated');
});

test('an argument that is wrong everywhere is no reason to try the CPU', () => {
  const warnings: string[] = [];
  const session = openAuto(warnings);
  assert.throws(() => session.attach((raw) => raw.attach(addon.mapFile(packPath), expertTable(SIZES, 7))));
  assert.deepEqual([session.backend, warnings], ['metal-emulated', []]);
});

test('a lost GPU is said to be lost by the step and by every call after it', async () => {
  addon.setEmulatedGpu({ ...WHOLE_GPU, dispatchesUntilLost: 5 });
  const session = openAuto();
  attachAll(session, () => addon.mapFile(packPath));
  const isLost = (thrown: unknown): boolean => toNativeError(thrown).code === 'device_lost';
  await assert.rejects(oneStep(session), isLost);
  await assert.rejects(oneStep(session), isLost);
  assert.equal(session.backend, 'metal-emulated');
});
