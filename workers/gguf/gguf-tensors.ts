// Which tensors a GGUF file of a model has, and where their values are in the checkpoint. In: a family's plan of sections.
// Out: tensors in the file's order. Pure.
import type { WeightDtype } from '../../native/model-description.ts';
import type { MatrixSource, PlannedSection, SectionRole, VectorSource } from '../model/weight-plan.ts';
import type { GgufTensorShape } from './gguf-header.ts';

/** Norms and routers are f32, as converters make them. `matrices`: one after the other, each `[outputs, inputs]`. */
export type GgufTensor = GgufTensorShape &
  ({ readonly vector: VectorSource } | { readonly matrices: readonly MatrixSource[] });

/** Names of roles that are one tensor. `*` is the layer. */
const SINGLE_NAMES: Readonly<Partial<Record<SectionRole, string>>> = {
  embedding: 'token_embd.weight',
  norm1: 'blk.*.attn_norm.weight',
  wqkv: 'blk.*.attn_qkv.weight',
  wo: 'blk.*.attn_output.weight',
  norm2: 'blk.*.attn_output_norm.weight',
  router: 'blk.*.ffn_gate_inp.weight',
  finalNorm: 'output_norm.weight',
  lmHead: 'output.weight',
};

/** Names of the matrices of an expert's section, in the section's order: all experts' are one tensor each. */
const EXPERT_NAMES: Readonly<Partial<Record<SectionRole, readonly string[]>>> = {
  gateUp: ['blk.*.ffn_gate_exps.weight', 'blk.*.ffn_up_exps.weight'],
  down: ['blk.*.ffn_down_exps.weight'],
};

/** `experts`: the sections of each expert, in the order of their ids. */
export function ggufTensors(
  shared: readonly PlannedSection[],
  experts: readonly (readonly PlannedSection[])[],
  dtype: WeightDtype,
): readonly GgufTensor[] {
  return [...shared.map((section) => singleTensor(section, dtype)), ...expertTensors(experts, dtype)];
}

function singleTensor({ role, layer, content }: PlannedSection, dtype: WeightDtype): GgufTensor {
  const name = nameOf(SINGLE_NAMES[role], layer);
  if (content.kind === 'vector') return { name, dtype: 'f32', shape: [content.source.length], vector: content.source };
  const [matrix, ...more] = content.kind === 'rows' ? [content.source] : content.sources;
  if (matrix === undefined || more.length > 0) throw new TypeError(`${name} is not one matrix`);
  const shape = [matrix.outputs, matrix.inputs];
  return { name, dtype: role === 'router' ? 'f32' : dtype, shape, matrices: [matrix] };
}

function expertTensors(experts: readonly (readonly PlannedSection[])[], dtype: WeightDtype): GgufTensor[] {
  const matrices = new Map<string, MatrixSource[]>();
  for (const { role, layer, content } of experts.flat()) {
    if (content.kind !== 'panels') throw new TypeError(`section ${role} of an expert has no panels`);
    for (const [index, source] of content.sources.entries()) {
      const name = nameOf(EXPERT_NAMES[role]?.[index], layer);
      matrices.set(name, [...(matrices.get(name) ?? []), source]);
    }
  }
  return [...matrices].map(([name, sources]) => {
    const { outputs, inputs } = sources[0] ?? { outputs: 0, inputs: 0 };
    return { name, dtype, shape: [sources.length, outputs, inputs], matrices: sources };
  });
}

function nameOf(pattern: string | undefined, layer: number | null): string {
  if (pattern === undefined) throw new TypeError('a section has no name in GGUF');
  return pattern.replace('*', String(layer));
}
