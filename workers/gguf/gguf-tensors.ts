// Which tensors a GGUF file of a model has, and where their values are in the checkpoint. In: a model's sections with their
// sources. Out: tensors in the file's order. Pure.
import type { WeightRole } from '../../native/weight-sections.ts';
import type { MatrixSource, PlannedSection, VectorSource } from '../model/weight-plan.ts';
import type { GgufTensorShape } from './gguf-header.ts';

/** Norms and routers are f32, as converters make them. `matrices`: one after the other, each `[outputs, inputs]`. */
export type GgufTensor = GgufTensorShape &
  ({ readonly vector: VectorSource } | { readonly matrices: readonly MatrixSource[] });

/** Names of the tensors that a section's sources go to, in their order. `*` is the layer. */
const NAMES: Readonly<Partial<Record<WeightRole, readonly string[]>>> = {
  embedding: ['token_embd.weight'],
  attentionNorm: ['blk.*.attn_norm.weight'],
  query: ['blk.*.attn_qkv.weight'],
  key: ['blk.*.attn_qkv.weight'],
  value: ['blk.*.attn_qkv.weight'],
  attentionOutput: ['blk.*.attn_output.weight'],
  mlpNorm: ['blk.*.attn_output_norm.weight'],
  router: ['blk.*.ffn_gate_inp.weight'],
  finalNorm: ['output_norm.weight'],
  lmHead: ['output.weight'],
  gateUp: ['blk.*.ffn_gate_exps.weight', 'blk.*.ffn_up_exps.weight'],
  down: ['blk.*.ffn_down_exps.weight'],
};

/** Matrices of one name are one tensor: q, k and v one below the other, experts in the order of their ids. */
export function ggufTensors(sections: readonly PlannedSection[]): readonly GgufTensor[] {
  const tensors = new Map<string, GgufTensor>();
  for (const section of sections) {
    const { content, role, layer } = section;
    if (content.kind === 'vector') {
      const name = nameOf(role, 0, layer);
      tensors.set(name, { name, dtype: 'f32', shape: [content.source.length], vector: content.source });
      continue;
    }
    for (const [index, matrix] of (content.kind === 'rows' ? [content.source] : content.sources).entries()) {
      const name = nameOf(role, index, layer);
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
  return { name, dtype: role === 'router' ? 'f32' : format, shape, matrices };
}

function nameOf(role: WeightRole, index: number, layer: number | null): string {
  const pattern = NAMES[role]?.[index];
  if (pattern === undefined) throw new TypeError(`section ${role} has no name in GGUF`);
  return pattern.replace('*', String(layer));
}
