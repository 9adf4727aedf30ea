// Which sections of a model a pack holds. Pure.
import { expertSectionShapes, type SectionShape, sharedSectionShapes } from '../model/section-shapes.ts';
import { formatOf, type StoredModel, type StoredSection } from '../model/stored-model.ts';
import type { PackId } from './pack-format.ts';

/** The sections of `pack`, in the order of the file. */
export function sectionsOfPack(model: StoredModel, pack: PackId): readonly StoredSection[] {
  const shapes = pack === 'shared' ? sharedSectionShapes(model) : expertSectionShapes(model, pack);
  return shapes.map((shape) => ({ ...shape, format: formatOf(model.formats, shape) }));
}

export function isInPack({ expert }: SectionShape, pack: PackId): boolean {
  return pack === 'shared' ? expert === null : expert === pack;
}
