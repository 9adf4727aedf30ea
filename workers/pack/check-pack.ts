// Is a shared pack what this version would have written? In: a path. Out: its header, model and sections, or DomainError
// `bad_pack`. Reads the header only; verify-packs.ts reads the weights.
import { familyOf } from '../model/families/model-families.ts';
import { parseModelConfig } from '../model/read-model-config.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { badPack, type PackHeader, type PackSection } from './pack-format.ts';
import { sharedSections } from './pack-sections.ts';
import { type PlacedSection, placeSections } from './place-sections.ts';
import { type ReadPack, readPackHeader } from './read-pack-header.ts';

export interface CheckedPack extends ReadPack {
  readonly description: StoredModel;
  readonly sections: readonly PlacedSection[];
}

/** Reads and checks the pack at `path`. Throws DomainError `bad_pack`, or `bad_config` for an unsupported model. */
export async function checkPack(path: string): Promise<CheckedPack> {
  const read = await readPackHeader(path);
  const description = describePacked(read.header, path);
  const { sections } = placeSections(sharedSections(description));
  if (keysOf(sections) !== keysOf(read.header.sections)) {
    throw badPack(path, 'has other sections than this version expects');
  }
  return { ...read, description, sections };
}

/** The model that packs are of, as they describe it themselves. */
export function describePacked(
  { config, activations, formats }: Pick<PackHeader, 'config' | 'activations' | 'formats'>,
  path: string,
): StoredModel {
  const parsed = parseModelConfig(config, `${path} (config.json)`);
  return { ...familyOf(parsed).outline(parsed), activations, formats };
}
function keysOf(sections: readonly (PlacedSection | PackSection)[]): string {
  return JSON.stringify(
    sections.map(({ role, layer, expert, format, outputs, inputs, offset, bytes }) => [
      ...[role, layer, expert, format],
      ...[outputs, inputs, offset, bytes],
    ]),
  );
}
