// Constraints of requests -> token masks of this model. What is found out for one request serves the tenant's later ones with the
// same constraint, such as the same schema.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Constraint } from '../../infra/messages/constraint.ts';
import { TenantCache } from '../../infra/tenants/tenant-cache.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { type TokenMasks, TokenVocabulary } from '../../native/token-constraint.ts';

/** Kept at once, the ones used last. Each takes up to 5 MB with 152k tokens. */
const MOST_KEPT = 16;

/** Gives the masks of a constraint. @throws DomainError `generation_failed` for one that does not fit the model */
export type CompileConstraint = (constraint: Constraint, tenant: string) => TokenMasks;

/** Reads the vocabulary, which takes about half a second for 150k tokens. `vocab`: the model's, which may be larger. */
export function createConstraintCompiler(tokenizer: Tokenizer, vocab: number): CompileConstraint {
  const tokens = Array.from({ length: Math.min(vocab, tokenizer.vocabSize) }, (_, id) => tokenizer.tokenBytes(id));
  const vocabulary = new TokenVocabulary({ vocab, bytes: tokens, isControl: (id) => tokenizer.isSilent(id) });
  const ids = new Map(tokenizer.addedTokens.map(({ text, id }) => [text, id]));
  const kept = new TenantCache<TokenMasks>(MOST_KEPT);
  return (constraint, tenant) => kept.find(tenant, constraint, () => vocabulary.compile(namedTokens(constraint, ids)));
}

function namedTokens({ controlTokens, ...tables }: Constraint, ids: ReadonlyMap<string, number>) {
  const named = controlTokens.map((text) => {
    const id = ids.get(text);
    if (id !== undefined) return id;
    throw new DomainError('generation_failed', `The model's vocabulary has no token ${JSON.stringify(text)}`);
  });
  return { ...tables, controlTokens: named };
}
