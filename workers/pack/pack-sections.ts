// Which sections of a model the shared pack holds. Pure.
import { sharedSectionShapes } from '../model/section-shapes.ts';
import { formatOf, type StoredModel, type StoredSection } from '../model/stored-model.ts';

/** The sections that belong to no expert, in the order of the file. */
export function sharedSections(model: StoredModel): readonly StoredSection[] {
  return sharedSectionShapes(model).map((shape) => ({ ...shape, format: formatOf(model.formats, shape) }));
}
