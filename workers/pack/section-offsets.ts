// From a pack's placed sections to the offsets the native session wants. Pure.
import type { ExpertSections, SharedSections } from '../../native/model-session.ts';
import type { SectionRole } from '../model/weight-plan.ts';
import type { PlacedSection } from './place-sections.ts';

/** Offsets in a shared pack, in bytes from the beginning of the file; sections begin at `dataStart`. */
export function sharedSections(sections: readonly PlacedSection[], dataStart: number, layers: number): SharedSections {
  const at = locator(sections, dataStart);
  return {
    embedding: at('embedding', null),
    layers: Array.from({ length: layers }, (_, layer) => ({
      norm1: at('norm1', layer),
      wqkv: at('wqkv', layer),
      wo: at('wo', layer),
      norm2: at('norm2', layer),
      router: at('router', layer),
    })),
    finalNorm: at('finalNorm', null),
    lmHead: at('lmHead', null),
  };
}

/** Offsets in an expert's pack, in bytes from the beginning of the file. */
export function expertSections(sections: readonly PlacedSection[], dataStart: number, layers: number): ExpertSections {
  const at = locator(sections, dataStart);
  return {
    layers: Array.from({ length: layers }, (_, layer) => ({ gateUp: at('gateUp', layer), down: at('down', layer) })),
  };
}

function locator(
  sections: readonly PlacedSection[],
  dataStart: number,
): (role: SectionRole, layer: number | null) => number {
  const offsets = new Map(sections.map((section) => [`${section.role}/${section.layer}`, dataStart + section.offset]));
  return (role, layer) => {
    const offset = offsets.get(`${role}/${layer}`);
    if (offset === undefined) throw new TypeError(`the plan has no section ${role} of layer ${layer}`);
    return offset;
  };
}
