// Is a pack file what this version would have written? In: a path and the pack's id. Out: its header, model and sections,
// or DomainError `bad_pack`. Reads headers only; verify-packs.ts reads the weights.
import type { ModelDescription } from '../../native/model-description.ts';
import { familyOf } from '../model/model-families.ts';
import { parseModelConfig } from '../model/read-model-config.ts';
import { badPack, type PackId, type PackSection } from './pack-format.ts';
import { type PlacedSection, placeSections } from './place-sections.ts';
import { type ReadPack, readPackHeader } from './read-pack-header.ts';

export interface CheckedPack extends ReadPack {
  readonly description: ModelDescription;
  readonly sections: readonly PlacedSection[];
}

/** Reads and checks the pack at `path`. Throws DomainError `bad_pack`, or `bad_config` for an unsupported model. */
export async function checkPack(path: string, pack: PackId): Promise<CheckedPack> {
  const read = await readPackHeader(path, pack);
  const { header } = read;
  const config = parseModelConfig(header.config, `${path} (config.json)`);
  const family = familyOf(config);
  const description: ModelDescription = { ...family.outline(config), dtype: header.dtype };
  if (pack !== 'shared' && pack >= description.router.experts) {
    throw badPack(path, `holds expert ${pack} of a model that has ${description.router.experts}`);
  }
  const planned = pack === 'shared' ? family.sharedSections(description) : family.expertSections(description, pack);
  const { sections } = placeSections(planned, header.dtype);
  if (table(sections) !== table(header.sections)) throw badPack(path, 'has other sections than this version expects');
  return { ...read, description, sections };
}

function table(sections: readonly (PlacedSection | PackSection)[]): string {
  return JSON.stringify(sections.map(({ role, layer, offset, bytes }) => [role, layer, offset, bytes]));
}
