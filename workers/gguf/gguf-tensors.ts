// Which tensors a GGUF file of a model has, and where their values are in the checkpoint. In: a model's sections with their
// sources. Out: tensors in the file's order. Pure.
import type { MatrixSource, PlannedSection, VectorSource } from '../model/weight-plan.ts';
import { type GgufArchitecture, plainFormat } from './gguf-architectures.ts';
import type { GgufTensorShape } from './gguf-header.ts';

/** Norms and routers are f32, as converters make them. `matrices`: one after the other, each `[outputs, inputs]`. */
export type GgufTensor = GgufTensorShape &
  ({ readonly vector: VectorSource } | { readonly matrices: readonly MatrixSource[] });

/** Matrices of one name are one tensor: q, k and v one below the other, experts in the order of their ids. */
export function ggufTensors(
  sections: readonly PlannedSection[],
  names: GgufArchitecture['tensors'],
): readonly GgufTensor[] {
  const tensors = new Map<string, GgufTensor>();
  for (const section of sections) {
    const { content } = section;
    if (content.kind === 'vector') {
      const name = nameOf(names, section, 0);
      tensors.set(name, { name, dtype: 'f32', shape: [content.source.length], vector: content.source });
      continue;
    }
    for (const [index, matrix] of (content.kind === 'rows' ? [content.source] : content.sources).entries()) {
      const name = nameOf(names, section, index);
      tensors.set(name, withMatrix(name, tensors.get(name), section, matrix));
    }
  }
  return [...tensors.values()];
}

function withMatrix(
  name: string,
  before: GgufTensor | undefined,
  { role, expert, format }: PlannedSection,
  matrix: MatrixSource,
): GgufTensor {
  const matrices = [...(before !== undefined && 'matrices' in before ? before.matrices : []), matrix];
  const outputs = matrices.reduce((sum, one) => sum + one.outputs, 0);
  const shape = expert === null ? [outputs, matrix.inputs] : [matrices.length, matrix.outputs, matrix.inputs];
  return { name, dtype: role === 'router' ? 'f32' : plainFormat(format), shape, matrices };
}

function nameOf(names: GgufArchitecture['tensors'], { role, layer }: PlannedSection, index: number): string {
  const pattern = names[role]?.[index];
  if (pattern === undefined) throw new TypeError(`section ${role} has no name in GGUF`);
  return pattern.replace('*', String(layer));
}
