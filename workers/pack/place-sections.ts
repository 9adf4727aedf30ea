// Sizes and places of a pack's sections. In: shapes and formats. Out: offsets and bytes. Pure.
import { BYTES_PER_WEIGHT, matrixBytes, PANEL_OUTPUTS, panelBytes } from '../../native/weight-format.ts';
import { sectionForm } from '../model/section-shapes.ts';
import type { StoredSection } from '../model/stored-model.ts';
import { alignUp, SECTION_ALIGNMENT } from './pack-format.ts';

// Vectors are padded with zeros so that kernels may read whole SIMD registers.
const VECTOR_MULTIPLE = 32;

export type PlacedSection<Section extends StoredSection = StoredSection> = Section & {
  /** From the beginning of the sections, in bytes. */
  readonly offset: number;
  readonly bytes: number;
};

export interface PackPlacement<Section extends StoredSection = StoredSection> {
  readonly sections: readonly PlacedSection<Section>[];
  readonly dataBytes: number;
}

/** Places the sections one after the other, each aligned. */
export function placeSections<Section extends StoredSection>(sections: readonly Section[]): PackPlacement<Section> {
  let end = 0;
  const placed = sections.map((section) => {
    const bytes = sectionBytes(section);
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

export function panelCount(outputs: number): number {
  return Math.ceil(outputs / PANEL_OUTPUTS);
}

function sectionBytes(section: StoredSection): number {
  const { role, outputs, inputs, format } = section;
  switch (sectionForm(role, format)) {
    case 'vector':
      return paddedVectorLength(inputs) * BYTES_PER_WEIGHT.f32;
    case 'rows':
      return matrixBytes(format, outputs, inputs);
    case 'panels':
      return panelCount(outputs) * panelBytes(format, inputs);
    case 'paired':
      return 2 * panelCount(outputs / 2) * panelBytes(format, inputs);
  }
}
