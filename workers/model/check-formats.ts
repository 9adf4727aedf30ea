// Formats that the engine cannot compute with beside each other. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { ActivationType } from '../../native/model-description.ts';
import { isPacked, type WeightFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import type { CheckpointIndex } from './checkpoint-index.ts';
import { matricesOf, type PlannedSection } from './weight-plan.ts';

/** Matrices whose rows are not widened for them (core/model-weights.cc). */
const MLP_ROLES: ReadonlySet<WeightRole> = new Set(['gateUp', 'down', 'sharedGateUp', 'sharedDown']);

/** Refuses them before packs are built. Throws DomainError `bad_checkpoint` naming file and tensor. */
export function refuseUnsuitableFormats(
  index: CheckpointIndex,
  sections: readonly PlannedSection[],
  activations: ActivationType,
): void {
  for (const { role, content, format } of sections) {
    const [matrix] = matricesOf(content);
    if (matrix === undefined) continue;
    const expected = expectedOf(role, format, activations);
    if (expected === null) continue;
    const path = index.tensors.get(matrix.tensor)?.path ?? index.folder;
    throw new DomainError('bad_checkpoint', `${path}: tensor "${matrix.tensor}" is ${format}, expected ${expected}`, {
      param: matrix.tensor,
    });
  }
}

/** What a matrix should be; null if it suits. */
function expectedOf(role: WeightRole, format: WeightFormat, activations: ActivationType): string | null {
  if (isPacked(format)) return null;
  if (activations === 'f32') return format === 'bf16' ? 'f32 or f16 as most weights of this model are' : null;
  if (format === 'bf16' || !MLP_ROLES.has(role)) return null;
  return 'bf16 for the MLPs of a model whose weights are mostly bf16';
}
