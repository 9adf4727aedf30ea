// Is a pack file what this version would have written? In: a path and the pack's id. Out: its header, model and sections,
// or DomainError `bad_pack`. Reads headers only; verify-packs.ts reads the weights.
import { expertShape } from '../../native/model-description.ts';
import { familyOf } from '../model/families/model-families.ts';
import { parseModelConfig } from '../model/read-model-config.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { badPack, type PackId, type PackSection } from './pack-format.ts';
import { sectionsOfPack } from './pack-sections.ts';
import { type PlacedSection, placeSections } from './place-sections.ts';
import { type ReadPack, readPackHeader } from './read-pack-header.ts';

export interface CheckedPack extends ReadPack {
  readonly description: StoredModel;
  readonly sections: readonly PlacedSection[];
}

/** Reads and checks the pack at `path`. Throws DomainError `bad_pack`, or `bad_config` for an unsupported model. */
export async function checkPack(path: string, pack: PackId): Promise<CheckedPack> {
  const read = await readPackHeader(path, pack);
  const { config, activations, formats, sections: table } = read.header;
  const parsed = parseModelConfig(config, `${path} (config.json)`);
  const description: StoredModel = { ...familyOf(parsed).outline(parsed), activations, formats };
  const { experts } = expertShape(description);
  if (pack !== 'shared' && pack >= experts) throw badPack(path, `holds expert ${pack} of a model that has ${experts}`);
  const { sections } = placeSections(sectionsOfPack(description, pack));
  if (keysOf(sections) !== keysOf(table)) throw badPack(path, 'has other sections than this version expects');
  return { ...read, description, sections };
}

function keysOf(sections: readonly (PlacedSection | PackSection)[]): string {
  return JSON.stringify(
    sections.map(({ role, layer, expert, format, outputs, inputs, offset, bytes }) => [
      ...[role, layer, expert, format],
      ...[outputs, inputs, offset, bytes],
    ]),
  );
}
