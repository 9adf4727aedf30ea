// A synthetic checkpoint of each family is what the family's own mapping reads, packs and all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { FAMILIES } from '../../../workers/model/families/model-families.ts';
import { loadModel } from '../../../workers/model/load-model.ts';
import { sizeModel } from '../../../workers/model/size-config.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_SIZES } from '../../unit/model/small-model.ts';

// Half of a head of 12 is an even number of dimensions.
const SIZES = { ...SMALL_SIZES, heads: 5, kvHeads: 1 };
const SILENT = { onProgress: () => undefined, onWait: () => undefined };

for (const family of FAMILIES) {
  test(`${family.modelType}: its packs are those of the model that was asked for`, async (t) => {
    const home = await temporaryFolder(t);
    const folder = await syntheticModel(home, 'model', { like: family.modelType, sizes: SIZES, dtype: 'f16' });
    const { outline } = sizeModel(family, SIZES);
    const { description } = await describeCheckpoint(folder);
    assert.deepEqual(description, { ...outline, activations: 'f32', formats: { '*': 'f16' } });
    const packs = await loadModel({ folder, home, packs: 'all', events: SILENT });
    t.after(() => packs.close());
    assert.deepEqual(packs.description, description);
  });
}
