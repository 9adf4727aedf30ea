// Writes the shared pack. In: where its sections come from. Out: a file that is there whole or not at all.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Checkpoint } from '../model/open-checkpoint.ts';
import type { StoredModel, StoredSection } from '../model/stored-model.ts';
import type { PlannedSection } from '../model/weight-plan.ts';
import { encodePackHeader, PACK_LAYOUT_VERSION, type PackHeader, type PackSection } from './pack-format.ts';
import type { PackPlacement, PlacedSection } from './place-sections.ts';
import { readSection } from './read-section.ts';
import { writeAt, writeFileAtomically } from './write-file-atomically.ts';

export interface PackContent {
  readonly model: StoredModel;
  readonly sourceHash: string;
  /** Text of config.json. */
  readonly config: string;
  readonly placement: PackPlacement<PlannedSection>;
}

const NO_CHECKSUM = '0'.repeat(64);

/** Builds the pack at `path` from the checkpoint; `onBytes` counts bytes written. */
export async function writePack(
  path: string,
  content: PackContent,
  checkpoint: Checkpoint,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { sections, dataBytes } = content.placement;
  // Checksums have one length, so the header's size is known before they are.
  const dataStart = encodePackHeader(headerOf(content, () => NO_CHECKSUM)).length;
  await writeFileAtomically(path, async (file) => {
    await file.truncate(dataStart + dataBytes);
    const checksums = new Map<StoredSection, string>();
    for (const section of sections) {
      checksums.set(section, await writeSection(file, dataStart, section, checkpoint, onBytes));
    }
    const header = encodePackHeader(headerOf(content, (section) => checksums.get(section) ?? NO_CHECKSUM));
    await writeAt(file, header, 0);
  });
}

/** Returns the section's SHA-256. */
async function writeSection(
  file: FileHandle,
  dataStart: number,
  section: PlacedSection<PlannedSection>,
  checkpoint: Checkpoint,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  let position = dataStart + section.offset;
  let writing: Promise<void> = Promise.resolve();
  for (const chunk of readSection(section, checkpoint)) {
    hash.update(chunk);
    await writing;
    writing = writeAt(file, chunk, position);
    position += chunk.length;
    onBytes(chunk.length);
  }
  await writing;
  return hash.digest('hex');
}

function headerOf(content: PackContent, checksum: (section: StoredSection) => string): PackHeader {
  const { model, sourceHash, config, placement } = content;
  const sections = placement.sections.map(
    (section): PackSection => ({
      role: section.role,
      layer: section.layer,
      expert: section.expert,
      format: section.format,
      outputs: section.outputs,
      inputs: section.inputs,
      offset: section.offset,
      bytes: section.bytes,
      sha256: checksum(section),
    }),
  );
  return {
    layoutVersion: PACK_LAYOUT_VERSION,
    activations: model.activations,
    formats: model.formats,
    sourceHash,
    config,
    dataBytes: placement.dataBytes,
    sections,
  };
}
