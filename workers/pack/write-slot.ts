// Writes an expert of a layer into a slot, from the checkpoint. In: where its sections come from. Out: their digest.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { expertShape, placeOfExpert } from '../../native/model-description.ts';
import type { DescribedCheckpoint } from '../model/describe-checkpoint.ts';
import type { Checkpoint } from '../model/open-checkpoint.ts';
import type { PlannedSection } from '../model/weight-plan.ts';
import type { SlotSource } from './fill-slots.ts';
import { placeSections } from './place-sections.ts';
import { readSection } from './read-section.ts';
import { slotKey } from './slab-table.ts';
import { writeAt } from './write-file-atomically.ts';

/** The experts of a checkpoint. */
export function checkpointSlots({ description, sections }: DescribedCheckpoint, checkpoint: Checkpoint): SlotSource {
  const byExpert = sectionsByExpert(sections);
  if (expertShape(description).experts > 0 && byExpert.size === 0)
    throw new TypeError('a MoE model has sections of experts');
  return {
    verb: 'Building',
    write: (id, file, position, onBytes) => {
      const { layer, expert } = placeOfExpert(description, id);
      return writeSlot(byExpert.get(slotKey(layer, expert)) ?? [], checkpoint, file, position, onBytes);
    },
  };
}

function sectionsByExpert(sections: readonly PlannedSection[]): ReadonlyMap<string, readonly PlannedSection[]> {
  const all = new Map<string, PlannedSection[]>();
  for (const section of sections) {
    if (section.layer === null || section.expert === null) continue;
    const key = slotKey(section.layer, section.expert);
    const own = all.get(key);
    if (own === undefined) all.set(key, [section]);
    else own.push(section);
  }
  return all;
}

// What is between sections is written, too: the slot may have held another expert, and the digest is of all of it.
async function writeSlot(
  sections: readonly PlannedSection[],
  checkpoint: Checkpoint,
  file: FileHandle,
  position: number,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  const placement = placeSections(sections);
  let done = 0;
  let writing: Promise<void> = Promise.resolve();
  const write = async (chunk: Uint8Array): Promise<void> => {
    if (chunk.length === 0) return;
    hash.update(chunk);
    await writing;
    writing = writeAt(file, chunk, position + done);
    done += chunk.length;
    onBytes(chunk.length);
  };
  for (const section of placement.sections) {
    await write(new Uint8Array(section.offset - done));
    for (const chunk of readSection(section, checkpoint)) await write(chunk);
  }
  await write(new Uint8Array(placement.dataBytes - done));
  await writing;
  return hash.digest('hex');
}
