// The weights of a pack as the native session finds them: by layer, role and expert. Shapes and formats are a section's own.
import { formatNumber, type WeightFormat } from './weight-format.ts';

/**
 * What a section is for, in the order of WeightRole (core/weight-table.h). Matrices are panels (core/panel-layout.h) but for
 * an `embedding` of a plain format, whose rows lie as they are; the others are vectors of f32.
 */
export const WEIGHT_ROLES = [
  // Of the model: [vocab, dModel], [dModel], [dModel], [vocab, dModel] (also read as the embedding when tied), [vocab].
  'embedding',
  'finalNorm',
  'finalNormBias',
  'lmHead',
  'lmHeadBias',
  // Of a layer's attention: [dModel] twice; [heads * headDim, dModel], [kvHeads * headDim, dModel] twice, and their biases;
  // [headDim] or the projection's width twice; [heads]; [dModel, heads * headDim], [dModel].
  'attentionNorm',
  'attentionNormBias',
  'query',
  'key',
  'value',
  'queryBias',
  'keyBias',
  'valueBias',
  'queryNorm',
  'keyNorm',
  'sinks',
  'attentionOutput',
  'attentionOutputBias',
  // Of a layer's MLP: [dModel] twice; [experts, dModel], [experts] twice.
  'mlpNorm',
  'mlpNormBias',
  'router',
  'routerBias',
  'choiceBias',
  // Of a gated MLP, dense (no expert) or an expert's: gate and up panels in turn, [2 * width, dModel]; [width] twice;
  // [dModel, width], [dModel].
  'gateUp',
  'gateBias',
  'upBias',
  'down',
  'downBias',
  // Of the shared expert: as above, and [1, dModel]; its biases.
  'sharedGateUp',
  'sharedDown',
  'sharedGate',
  'sharedGateBias',
  'sharedUpBias',
  'sharedDownBias',
] as const;

export type WeightRole = (typeof WEIGHT_ROLES)[number];

export interface WeightSection {
  readonly role: WeightRole;
  /** null for what belongs to no layer. */
  readonly layer: number | null;
  /** null for what belongs to no expert. */
  readonly expert: number | null;
  readonly format: WeightFormat;
  /** Of the matrix [outputs, inputs]; a vector is [1, length]. */
  readonly outputs: number;
  readonly inputs: number;
  /** From the beginning of the file, in bytes. */
  readonly offset: number;
}

const ROLE_NUMBERS: ReadonlyMap<WeightRole, number> = new Map(WEIGHT_ROLES.map((role, number) => [role, number]));

/** As the addon reads them: role, layer, expert, format, outputs, inputs and offset of each section, -1 for null. */
export function toSectionTable(sections: readonly WeightSection[]): Float64Array {
  return Float64Array.from(
    sections.flatMap(({ role, layer, expert, format, outputs, inputs, offset }) => [
      ROLE_NUMBERS.get(role) ?? Number.NaN,
      layer ?? -1,
      expert ?? -1,
      formatNumber(format),
      outputs,
      inputs,
      offset,
    ]),
  );
}
