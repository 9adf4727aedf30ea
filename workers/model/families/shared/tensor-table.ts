// A family's tensors by the section that each fills: the table from which a mapping's `sources` is made. Names have `{layer}`
// and `{expert}` where their numbers go. Pure.
import type { WeightRole } from '../../../../native/weight-sections.ts';
import { type SectionShape, sectionForm } from '../../section-shapes.ts';
import { type MatrixSource, type SectionContent, wholeMatrix, wholeVector } from '../../weight-plan.ts';
import type { SectionSource } from '../model-family.ts';

/** One name: the whole tensor. Two: gate and up, whole tensors too. A function: anything else. */
export type TableEntry = string | readonly [gate: string, up: string] | SectionSource;

export interface TensorTable {
  /** Of sections that belong to no expert. */
  readonly shared: Readonly<Partial<Record<WeightRole, TableEntry>>>;
  /** Of sections of experts. */
  readonly expert: Readonly<Partial<Record<WeightRole, TableEntry>>>;
}

/** Looks sections up in the table. */
export function sourcesIn(table: TensorTable): SectionSource {
  return (section) => {
    const entry = (section.expert === null ? table.shared : table.expert)[section.role];
    if (entry === undefined) throw new TypeError(`the mapping has no tensor for ${section.role}`);
    if (typeof entry === 'function') return entry(section);
    return typeof entry === 'string' ? wholeTensor(entry, section) : pairOfTensors(entry, section);
  };
}

/** `pattern` with the numbers of the section's layer and expert. */
export function tensorName(pattern: string, { layer, expert }: Pick<SectionShape, 'layer' | 'expert'>): string {
  return pattern.replace('{layer}', String(layer)).replace('{expert}', String(expert));
}

function wholeTensor(pattern: string, section: SectionShape): SectionContent {
  const name = tensorName(pattern, section);
  if (sectionForm(section.role) === 'vector') return { kind: 'vector', source: wholeVector(name, section.inputs) };
  const matrix = wholeMatrix(name, section.outputs, section.inputs);
  return sectionForm(section.role) === 'rows' ? { kind: 'rows', source: matrix } : panelsOf(matrix);
}

function pairOfTensors([gate, up]: readonly [string, string], section: SectionShape): SectionContent {
  const matrix = (pattern: string) => wholeMatrix(tensorName(pattern, section), section.outputs / 2, section.inputs);
  return panelsOf(matrix(gate), matrix(up));
}

export function panelsOf(...sources: readonly MatrixSource[]): SectionContent {
  return { kind: 'panels', sources };
}
