// A DBRX small enough for tests, with odd widths: nothing is a multiple of a panel.
import { dbrx } from '../../../workers/model/dbrx.ts';
import type { ModelOutline } from '../../../workers/model/model-family.ts';

export const SMALL_OUTLINE: ModelOutline = {
  ...dbrx.example,
  layers: 2,
  dModel: 60,
  vocab: 301,
  maxContext: 256,
  attention: { ...dbrx.example.attention, heads: 6, kvHeads: 2, headDim: 10 },
  router: { ...dbrx.example.router, experts: 3, topK: 2 },
  expert: { ...dbrx.example.expert, ffn: 37 },
};
