// Keeps text of clients from becoming control tokens. A guard, the noncharacter U+FDD0, is put inside every text that spells
// such a token; tokenizers match control tokens on the text with guards and erase the guards before anything else. So the
// text in between is encoded exactly as if those tokens did not exist, and nothing has to be cut out and encoded apart.

/** Unicode keeps this character for use inside a process, never for interchange. */
export const GUARD = '\uFDD0';

/** Replaces guards that come from outside, as Unicode suggests for noncharacters. */
export function removeGuards(text: string): string {
  return text.replaceAll(GUARD, '\uFFFD');
}

/** Puts guards into text from outside: none of the tokens can be spelt by it, nor by it and what stands next to it. */
export type GuardText = (text: string) => string;

/** Makes the guard of a list of control tokens. A token of one character cannot be broken and stays as it is. */
export function createGuard(tokens: readonly string[]): GuardText {
  const names = tokens.filter((token) => token.length > 1);
  if (names.length === 0) return removeGuards;
  const firstCharacter = new RegExp(`(?=${names.map(escapeRegExp).join('|')}).`, 'gsu');
  const edges = tokenEdges(names);
  return (text) => {
    const clean = removeGuards(text);
    const broken = clean.replace(firstCharacter, `$&${GUARD}`);
    return `${beginsInside(clean, edges) ? GUARD : ''}${broken}${endsInside(clean, edges) ? GUARD : ''}`;
  };
}

interface TokenEdges {
  readonly names: readonly string[];
  /** Every proper prefix and every proper suffix of a name. */
  readonly prefixes: ReadonlySet<string>;
  readonly suffixes: ReadonlySet<string>;
  readonly longest: number;
}

function tokenEdges(names: readonly string[]): TokenEdges {
  const cuts = names.flatMap((name) => Array.from({ length: name.length - 1 }, (_, at) => [name, at + 1] as const));
  return {
    names,
    prefixes: new Set(cuts.map(([name, at]) => name.slice(0, at))),
    suffixes: new Set(cuts.map(([name, at]) => name.slice(at))),
    longest: Math.max(...names.map((name) => name.length)),
  };
}

function endsInside(text: string, edges: TokenEdges): boolean {
  for (let size = 1; size < Math.min(edges.longest, text.length + 1); size += 1) {
    if (edges.prefixes.has(text.slice(-size))) return true;
  }
  return false;
}

// A template may write `<` before and `>` after a client's text. Plain words are left alone: templates compare them
// (`role == 'user'`), and a template that puts `<|` before a word means it.
function beginsInside(text: string, edges: TokenEdges): boolean {
  if (!/[^\w]/u.test(text.slice(0, edges.longest))) return false;
  for (let size = 1; size < Math.min(edges.longest, text.length + 1); size += 1) {
    if (edges.suffixes.has(text.slice(0, size))) return true;
  }
  return text.length < edges.longest && edges.names.some((name) => name.includes(text));
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
}
