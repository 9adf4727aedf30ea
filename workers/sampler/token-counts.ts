// Which tokens a sequence holds, for penalties. Counted one token at a time; a new worker rebuilds it from ids.

/** Tokens seen so far: those of the prompt once, generated ones with their number. */
export interface TokenCounts {
  readonly prompt: ReadonlySet<number>;
  readonly generated: Map<number, number>;
}

/** Counts a prompt and the tokens generated after it. */
export function countTokens(prompt: readonly number[], generated: readonly number[]): TokenCounts {
  const counts: TokenCounts = { prompt: new Set(prompt), generated: new Map() };
  for (const id of generated) addToken(counts, id);
  return counts;
}

/** Adds one generated token, in place. */
export function addToken(counts: TokenCounts, id: number): void {
  counts.generated.set(id, (counts.generated.get(id) ?? 0) + 1);
}
