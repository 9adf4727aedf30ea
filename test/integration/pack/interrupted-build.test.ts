// A build that is killed at any point leaves whole files and slots only, and the next one completes them.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadModel } from '../../../workers/model/load-model.ts';
import { verifyPacks } from '../../../workers/pack/verify-packs.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_SIZES } from '../../unit/model/small-model.ts';

const CHILD = join(import.meta.dirname, 'build-and-report.js');
const LARGER = { ...SMALL_SIZES, layers: 8, ffn: 4001 };

for (const moment of ['Building shared.pack', 'Building layer-001-0.slab']) {
  test(`a process killed while ${moment}`, { timeout: 60_000 }, async (t) => {
    const home = await temporaryFolder(t);
    const folder = await syntheticModel(home, 'model', { sizes: LARGER });
    const child = fork(CHILD, [folder, home]);
    child.on('message', (what) => {
      if (what === moment) child.kill('SIGKILL');
    });
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);

    const [built] = (await readdir(join(home, 'packs'))).filter((name) => !name.endsWith('.json'));
    assert.ok(built !== undefined);
    const packs = await verifyPacks(join(home, 'packs', built), () => undefined);
    assert.ok(packs.experts < 24, `${packs.experts} experts were there before the kill`);

    const waits: string[] = [];
    const events = { onProgress: () => undefined, onWait: () => waits.push('waited') };
    (await loadModel({ folder, home, packs: 'all', events })).close();
    assert.deepEqual(waits, [], 'the lock of the dead process is no reason to wait');
    assert.deepEqual(await verifyPacks(join(home, 'packs', built), () => undefined), {
      shared: true,
      experts: 24,
    });
    const slabs = Array.from({ length: 8 }, (_, layer) => `layer-00${layer}-0.slab`);
    assert.deepEqual((await readdir(join(home, 'packs', built))).sort(), [
      'build.lock',
      ...slabs,
      'shared.pack',
      'slabs.json',
    ]);
  });
}
