// What a principal may do. A closed list: words in a token that are not on it grant nothing.

export const SCOPES = ['chat', 'admin:read', 'admin:write'] as const;
export type Scope = (typeof SCOPES)[number];

/** The known scopes among some words, each once. */
export function knownScopes(words: readonly unknown[]): Scope[] {
  return SCOPES.filter((scope) => words.includes(scope));
}
