// Who computes what in a layer, as the addon is told.
import type { AddonPolicy } from './addon-types.ts';
import type { MappedFile } from './mapped-file.ts';

/**
 * least: the largest load kept smallest (ours). The paper's, for benches (native/bench/paper-policies.h): deal, in turn inside
 * groups of experts with the same holders; busy-full (L_B) and recent (L_R), deal with experts that are computed to no end;
 * cold, deal with `files` unmapped before every layer.
 */
export type LoadPolicy =
  | { readonly name: 'least' }
  | { readonly name: 'deal' | 'busy-full' | 'recent'; readonly topK: number }
  | { readonly name: 'cold'; readonly topK: number; readonly files: readonly MappedFile[] };

export function toAddonPolicy(policy: LoadPolicy): AddonPolicy {
  return policy.name === 'cold' ? { ...policy, files: policy.files.map(({ raw }) => raw) } : policy;
}
