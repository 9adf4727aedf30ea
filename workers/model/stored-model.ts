// A model with the formats of its weights: what packs and planners need beside the description. Pure.
import type { ActivationType, ModelDescription } from '../../native/model-description.ts';
import { isPacked, matrixBytes, packedLayout, type WeightFormat } from '../../native/weight-format.ts';
import { type ModelOutline, type SectionShape, sectionForm } from './section-shapes.ts';

/**
 * Formats of the matrices: `*` is that of most, other keys name those that differ as `role`, `role/layer` or
 * `role/layer/expert`. The most precise key counts. Vectors are always f32.
 */
export type WeightFormats = Readonly<Record<string, WeightFormat>>;

export interface StoredModel extends ModelDescription {
  readonly formats: WeightFormats;
}

/** The format of most weights. */
export function mainFormat({ formats }: StoredModel): WeightFormat {
  const format = formats['*'];
  if (format === undefined) throw new TypeError('a table of formats has the one of most weights');
  return format;
}

/** A section with its format. */
export interface StoredSection extends SectionShape {
  readonly format: WeightFormat;
}

/** The model with all matrices in one format. */
export function uniformModel(outline: ModelOutline, format: WeightFormat): StoredModel {
  const formats = { '*': format };
  return { ...outline, activations: activationsOf(formats), formats };
}

/** The model with a table of formats. */
export function storedIn(outline: ModelOutline, activations: ActivationType, formats: WeightFormats): StoredModel {
  return { ...outline, activations, formats };
}

/**
 * Models whose weights are mostly bf16 compute on bf16 rows; those whose weights have more digits on f32 rows. Quantised ones
 * go by the scales, which are in the type that the weights had; scales that are no such type are those of bf16 models.
 */
export function activationsOf(formats: WeightFormats): ActivationType {
  const format = formats['*'];
  if (format === undefined || !isPacked(format)) return format === 'bf16' ? 'bf16' : 'f32';
  const { affine, scales } = packedLayout(format);
  return affine && scales !== 'bf16' ? 'f32' : 'bf16';
}

export function formatOf(formats: WeightFormats, { role, layer, expert }: SectionShape): WeightFormat {
  if (sectionForm(role) === 'vector') return 'f32';
  const format = formats[`${role}/${layer}/${expert}`] ?? formats[`${role}/${layer}`] ?? formats[role] ?? formats['*'];
  if (format === undefined) throw new TypeError(`no format is given for ${role}`);
  return format;
}

/** The table of `sections`' formats, as short as it gets. */
export function tabulateFormats(sections: readonly StoredSection[]): WeightFormats {
  const matrices = sections.filter(({ role }) => sectionForm(role) !== 'vector');
  const formats: Record<string, WeightFormat> = { '*': mostUsed(matrices) };
  // From rough to precise: a key is only needed where the keys before it are wrong.
  for (const keyOf of [roleKey, layerKey, expertKey]) {
    for (const group of groupsOf(matrices, keyOf)) {
      const [first] = group;
      const format = mostUsed(group);
      if (first !== undefined && format !== formatOf(formats, first)) formats[keyOf(first)] = format;
    }
  }
  return formats;
}

const roleKey = ({ role }: SectionShape): string => role;
const layerKey = ({ role, layer }: SectionShape): string => `${role}/${layer}`;
const expertKey = ({ role, layer, expert }: SectionShape): string => `${role}/${layer}/${expert}`;

function groupsOf(sections: readonly StoredSection[], keyOf: (section: StoredSection) => string): StoredSection[][] {
  const groups = new Map<string, StoredSection[]>();
  for (const section of sections) {
    const group = groups.get(keyOf(section));
    if (group === undefined) groups.set(keyOf(section), [section]);
    else group.push(section);
  }
  return [...groups.values()];
}

/** The format of most weights. */
function mostUsed(sections: readonly StoredSection[]): WeightFormat {
  const weights = new Map<WeightFormat, number>();
  for (const { format, outputs, inputs } of sections) {
    weights.set(format, (weights.get(format) ?? 0) + outputs * inputs);
  }
  const [most] = [...weights].toSorted(([, left], [, right]) => right - left);
  if (most === undefined) throw new TypeError('a model has matrices');
  return most[0];
}

/** Bytes of a section without a pack's padding. */
export function weightBytes({ outputs, inputs, format }: StoredSection): number {
  return matrixBytes(format, outputs, inputs);
}
