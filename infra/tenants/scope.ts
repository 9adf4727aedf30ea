// Scopes: what a principal may do. The list is closed; unknown scopes in a token grant nothing.

export const SCOPES = ['chat', 'admin:read', 'admin:write'] as const;
export type Scope = (typeof SCOPES)[number];

/** The known scopes among `words`, without duplicates. */
export function knownScopes(words: readonly unknown[]): Scope[] {
  return SCOPES.filter((scope) => words.includes(scope));
}
