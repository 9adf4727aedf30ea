// Groups of experts, of which only the best may be chosen from. Pure.
import type { Router } from '../../../../native/model-description.ts';
import { type ModelConfig, refuseKey } from '../../read-model-config.ts';
import { size } from './config-keys.ts';

export const groupKeys = { n_group: size, topk_group: size };

/** Throws DomainError `bad_config` for groups that do not divide the experts, or have too few. */
export function expertGroups(
  config: Pick<ModelConfig, 'path'>,
  { n_group: count, topk_group: chosen }: { readonly n_group: number; readonly topk_group: number },
  experts: number,
  topK: number,
): Router['groups'] {
  if (experts % count !== 0) throw refuseKey(config, 'n_group', count, `expected a divisor of the ${experts} experts`);
  if (chosen > count) throw refuseKey(config, 'topk_group', chosen, `expected at most n_group (${count})`);
  if (chosen === count) return null;
  const [perGroup, reachable] = [experts / count, (experts / count) * chosen];
  if (perGroup < 2) throw refuseKey(config, 'n_group', count, 'expected at least two experts in a group');
  if (topK > reachable) {
    throw refuseKey(config, 'topk_group', chosen, `expected groups with at least ${topK} experts together`);
  }
  return { count, chosen };
}
