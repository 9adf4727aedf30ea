// Sizes and places of a pack's sections. In: the family's plan and a dtype. Out: offsets and bytes. Pure.
import { BYTES_PER_WEIGHT, type WeightDtype } from '../../native/model-description.ts';
import type { MatrixSource, PlannedSection, SectionContent } from '../model/weight-plan.ts';
import { alignUp, SECTION_ALIGNMENT } from './pack-format.ts';

/** Outputs in one panel of the kernels' layout (core/panel-layout.h). */
export const PANEL_OUTPUTS = 32;

// Vectors are padded with zeros so that kernels may read whole SIMD registers.
const VECTOR_MULTIPLE = 32;

export interface PlacedSection extends PlannedSection {
  /** From the beginning of the sections, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface PackPlacement {
  readonly sections: readonly PlacedSection[];
  readonly dataBytes: number;
}

/** Places the sections one after the other, each aligned. */
export function placeSections(sections: readonly PlannedSection[], dtype: WeightDtype): PackPlacement {
  let end = 0;
  const placed = sections.map((section) => {
    const bytes = sectionBytes(section.content, dtype);
    const offset = end;
    end = alignUp(offset + bytes, SECTION_ALIGNMENT);
    return { ...section, offset, bytes };
  });
  return { sections: placed, dataBytes: end };
}

/** Floats a vector takes in a pack. */
export function paddedVectorLength(length: number): number {
  return alignUp(length, VECTOR_MULTIPLE);
}

/** Bytes of one panel: 32 outputs, the inputs rounded up to a pair. */
export function panelBytes(matrix: MatrixSource, dtype: WeightDtype): number {
  return PANEL_OUTPUTS * alignUp(matrix.inputs, 2) * BYTES_PER_WEIGHT[dtype];
}

export function panelCount(matrix: MatrixSource): number {
  return Math.ceil(matrix.outputs / PANEL_OUTPUTS);
}

function sectionBytes(content: SectionContent, dtype: WeightDtype): number {
  switch (content.kind) {
    case 'vector':
      return paddedVectorLength(content.source.length) * BYTES_PER_WEIGHT.f32;
    case 'rows':
      return content.source.outputs * content.source.inputs * BYTES_PER_WEIGHT[dtype];
    case 'panels':
      return content.sources.reduce((sum, matrix) => sum + panelCount(matrix) * panelBytes(matrix, dtype), 0);
  }
}
