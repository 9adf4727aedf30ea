// Experts for people. In: ids. Out: `experts 2, 5` when they are meant in every layer, else the first and how many more. Pure.
import { expertShape, type ModelDescription, nameExpert } from '../../native/model-description.ts';

/** ids: ascending, at least one. */
export function nameExperts(model: ModelDescription, ids: readonly number[]): string {
  const { layers, experts } = expertShape(model);
  const numbers = [...new Set(ids.map((id) => id % experts))].sort((a, b) => a - b);
  if (numbers.length * layers.length === ids.length) return `experts ${numbers.join(', ')}`;
  const first = nameExpert(model, ids[0] ?? 0);
  return ids.length === 1 ? first : `experts: ${first}, and ${ids.length - 1} more`;
}
