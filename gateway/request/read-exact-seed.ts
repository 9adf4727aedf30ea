// A parsed body -> the same body with its seed exact: JSON.parse rounds integers beyond 2^53, and a rounded seed would be another
// one. In: the value and the text it was parsed from. The text is looked at only when the seed is that large.
import { decodeUtf8 } from './read-body.ts';
import type { JsonBody } from './read-json-body.ts';

/** The body's value; a `seed` beyond 2^53 is a bigint in it. */
export function withExactSeed({ value, bytes }: JsonBody): unknown {
  if (typeof value !== 'object' || value === null || !('seed' in value)) return value;
  const { seed } = value;
  if (typeof seed !== 'number' || !Number.isInteger(seed) || Number.isSafeInteger(seed)) return value;
  const source = numberSource(decodeUtf8(bytes), 'seed') ?? '';
  // A seed such as 1e18 has no more digits than the double that it was parsed to.
  return { ...value, seed: /^-?\d+$/.test(source) ? BigInt(source) : BigInt(seed) };
}

const NUMBER_AFTER_KEY = /\s*:\s*(-?\d[\d.eE+-]*)?/y;

/** How the number of a field of the outermost object is written; of the last one, as JSON.parse takes that. `text`: valid JSON. */
function numberSource(text: string, field: string): string | null {
  let depth = 0;
  let source: string | null = null;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === '"') {
      const end = stringEnd(text, at);
      NUMBER_AFTER_KEY.lastIndex = end;
      const after = depth === 1 ? NUMBER_AFTER_KEY.exec(text) : null;
      if (after !== null && JSON.parse(text.slice(at, end)) === field) source = after[1] ?? null;
      at = end - 1;
    }
  }
  return source;
}

/** Where the string that begins at `start` has ended. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1;
  return at + 1;
}
