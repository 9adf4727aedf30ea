// The type of the rows of a quantised model. In: its sections with their sources. Out: a type, or null for a model of plain weights
// alone. Pure.
import type { ActivationType } from '../../native/model-description.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import type { CheckpointIndex } from './checkpoint-index.ts';
import { floatTypeOf } from './quantization/tensor-lookup.ts';
import { type PlannedSection, tensorsOf } from './weight-plan.ts';

/** Often f32 in models of bf16. */
const ROUTER_ROLES: ReadonlySet<WeightRole> = new Set(['router', 'routerBias', 'choiceBias']);

/**
 * That of most numbers which are not quantised: quantising leaves norms, biases and often embeddings in the type of the model.
 * Scales do not tell, since f32 is common for them in models of bf16.
 */
export function plannedActivations(sections: readonly PlannedSection[], index: CheckpointIndex): ActivationType | null {
  if (sections.every(({ packed }) => packed.length === 0)) return null;
  const plain = sections.filter(({ packed, role }) => packed.length === 0 && !ROUTER_ROLES.has(role));
  const names = new Set(plain.flatMap(({ content }) => tensorsOf(content)).map(({ tensor }) => tensor));
  const elements = { bf16: 0, f32: 0 };
  for (const name of names) {
    const tensor = index.tensors.get(name);
    if (tensor === undefined) continue;
    elements[floatTypeOf(tensor) === 'bf16' ? 'bf16' : 'f32'] += tensor.shape.reduce(
      (product, size) => product * size,
      1,
    );
  }
  return elements.bf16 >= elements.f32 ? 'bf16' : 'f32';
}
