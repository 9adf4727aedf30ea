// GPT-4's vocabulary and the pattern that splits text before merging, from the files of tiktoken; its own encoder takes
// quadratic time. Must not treat control tokens: text here is text.
import { createRequire } from 'node:module';
import { mergeBytePairs, type TokenRanks } from './merge-byte-pairs.ts';

/** tiktoken's description of an encoding; its type declaration does not fit ES modules. */
interface Encoding {
  readonly special_tokens: Readonly<Record<string, number>>;
  /** Lines of `! <first id> <token in base64> <token in base64> ...`. */
  readonly bpe_ranks: string;
}

export interface Cl100k {
  readonly specialTokens: Readonly<Record<string, number>>;
  encode(text: string): number[];
  /** Bytes of an ordinary token; undefined for other ids. */
  bytes(id: number): Uint8Array | undefined;
}

// White space is Unicode's White_Space, as in the Rust library. JavaScript's \s has U+FEFF instead of U+0085.
const SPACE = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** cl100k_base's own pattern; `(?i:...)` is spelt out because Node 20 has no such groups. U+017F folds to s. */
const PIECES = new RegExp(
  [
    "'(?:[sS\\u017f]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])",
    '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+',
    '\\p{N}{1,3}',
    ` ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*`,
    `[${SPACE}]*[\\r\\n]+`,
    `[${SPACE}]+(?![^${SPACE}])`,
    `[${SPACE}]+`,
  ].join('|'),
  'gu',
);

/** Reads 1.6 MB of ranks. */
export function readCl100k(): Cl100k {
  const file = createRequire(import.meta.url)('tiktoken/encoders/cl100k_base.json') as Encoding;
  const tokens = readTokens(file.bpe_ranks);
  const ranks: TokenRanks = {
    ids: new Map(tokens.map((token, id) => [token, id])),
    longest: tokens.reduce((longest, token) => Math.max(longest, token.length), 0),
  };
  return {
    specialTokens: file.special_tokens,
    encode: (text) => encode(text, ranks),
    bytes: (id) => {
      const token = tokens[id];
      return token === undefined ? undefined : Buffer.from(token, 'latin1');
    },
  };
}

function readTokens(lines: string): string[] {
  const tokens: string[] = [];
  for (const line of lines.split('\n')) {
    const [, first, ...names] = line.split(' ');
    for (const [at, name] of names.entries())
      tokens[Number(first) + at] = Buffer.from(name, 'base64').toString('latin1');
  }
  return tokens;
}

function encode(text: string, ranks: TokenRanks): number[] {
  const ids: number[] = [];
  for (const [piece] of text.matchAll(PIECES)) {
    for (const id of mergeBytePairs(Buffer.from(piece, 'utf8').toString('latin1'), ranks)) ids.push(id);
  }
  return ids;
}
