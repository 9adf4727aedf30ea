// What a step of a model should cost by its rows, before anything is measured. In: a model. Out: numbers of which only
// the ratios matter. Pure.
import { expertShape } from '../../native/model-description.ts';
import type { CostShape } from '../scheduler/step-cost.ts';
import { inspectModel } from './inspect-model.ts';
import type { StoredModel } from './stored-model.ts';

/** Multiplications and additions in the time of reading a byte: 8 to 34 on the machines this runs on. */
const FLOPS_PER_BYTE = 16;

/** Bytes that a step reads, and the work of its rows in bytes. */
export function costShape(model: StoredModel): CostShape {
  const { bytes, parameters } = inspectModel(model, 1);
  const { experts, topK } = expertShape(model);
  const fixed = bytes.perToken - topK * bytes.expert;
  const perRow = (2 * (parameters.active - parameters.embedding)) / FLOPS_PER_BYTE;
  return { fixed, perExpert: bytes.expert, experts, topK, perRow };
}
