// A DBRX small enough for tests, with odd widths: nothing is a multiple of a panel.
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import type { ModelSizes } from '../../../workers/model/families/model-family.ts';
import { sizeModel } from '../../../workers/model/size-config.ts';
import { type StoredModel, uniformModel } from '../../../workers/model/stored-model.ts';

export const SMALL_SIZES: ModelSizes = {
  layers: 2,
  dModel: 60,
  vocab: 301,
  maxContext: 256,
  heads: 6,
  kvHeads: 2,
  experts: 3,
  topK: 2,
  ffn: 37,
};

export const SMALL_OUTLINE = sizeModel(dbrx, SMALL_SIZES).outline;

/** In bf16. */
export const SMALL_MODEL: StoredModel = uniformModel(SMALL_OUTLINE, 'bf16');
