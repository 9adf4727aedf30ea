// The policies that benches compare, by name. In: a node's own packs. Out: who computes what, the same on every node.
import type { LoadPolicy } from '../../../native/load-policy.ts';
import { expertShape } from '../../../native/model-description.ts';
import { filesOf, type OpenedPacks } from '../../../workers/pack/open-packs.ts';

/** See LoadPolicy. */
export type BenchPolicy = LoadPolicy['name'];

export function benchPolicy(name: BenchPolicy, { description, experts }: OpenedPacks): LoadPolicy {
  const { topK } = expertShape(description);
  if (name === 'least') return { name };
  if (name !== 'cold') return { name, topK };
  return { name, topK, files: filesOf({ shared: null, experts }) };
}
