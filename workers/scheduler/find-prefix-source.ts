// Requests with the same beginning that arrive close together: the later one waits for the earlier one's blocks instead of
// computing them too. Pure. Only within a tenant, so that waiting times reveal nothing about other tenants.
import type { PrefixSource, Sequence } from './sequence.ts';

/** False while the sequence would compute what its prefix source is about to have. */
export function mayStart({ prefixSource }: Sequence): boolean {
  return prefixSource === null || prefixSource.sequence.computed >= prefixSource.sharedTokens;
}

/** Of `others`, the one that is still to compute the longest prefix that the sequence shares, in whole blocks. */
export function findPrefixSource(
  sequence: Sequence,
  others: readonly Sequence[],
  blockTokens: number,
): PrefixSource | null {
  let best: PrefixSource | null = null;
  for (const other of others) {
    if (other.tenant !== sequence.tenant) continue;
    const sharedTokens = sharedBlocks(sequence.tokens, other.tokens, blockTokens) * blockTokens;
    if (sharedTokens <= other.computed || sharedTokens <= (best?.sharedTokens ?? 0)) continue;
    best = { sequence: other, sharedTokens };
  }
  return best;
}

/** Full blocks in which both are the same and which leave the first at least one token to compute. */
function sharedBlocks(tokens: readonly number[], others: readonly number[], blockTokens: number): number {
  const most = Math.min(tokens.length - 1, others.length);
  let shared = 0;
  while (shared < most && tokens[shared] === others[shared]) shared += 1;
  return Math.floor(shared / blockTokens);
}
