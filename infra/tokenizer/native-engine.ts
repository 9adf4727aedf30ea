// TokenEngine on `tokenizers`, Hugging Face's own library in Rust: encodes off the event loop, decodes on it in
// microseconds. Its type declarations name types that do not exist, so what is used is declared here.
import { DomainError } from '../errors/domain-error.ts';
import { nameToBytes } from './token-bytes.ts';
import type { TokenEngine } from './tokenizer.ts';
import { addedTokensOf, eraseInNormalizer, type TokenizerJson } from './tokenizer-json.ts';

interface NativeTokenizer {
  encode(text: string, pair: null, options: { addSpecialTokens: boolean }): Promise<{ getIds(): number[] }>;
  getDecoder(): { decode(tokens: string[]): string } | null;
  getVocab(withAddedTokens: boolean): Record<string, number>;
  idToToken(id: number): string | null;
  tokenToId(token: string): number | null;
}

/** The part of the `tokenizers` package that is used. */
export interface NativeLibrary {
  readonly Tokenizer: { fromString(json: string): NativeTokenizer };
}

/** Builds the engine. Throws DomainError `bad_tokenizer` when the library refuses tokenizer.json. */
export function createNativeEngine(
  library: NativeLibrary,
  json: TokenizerJson,
  controls: ReadonlySet<string>,
): TokenEngine {
  const tokenizer = load(library, eraseInNormalizer(json, controls));
  const decoder = tokenizer.getDecoder();
  const toBytes = nameToBytes(json.decoder);
  const names = namesById(tokenizer.getVocab(true));
  return {
    vocabSize: names.length,
    addedTokens: addedTokensOf(json),
    encode: async (text, addSpecialTokens) => (await tokenizer.encode(text, null, { addSpecialTokens })).getIds(),
    decode: (ids) => {
      const tokens = ids.map((id) => names[id] ?? '');
      return decoder === null ? tokens.join(' ') : decoder.decode(tokens);
    },
    tokenBytes: (id) => toBytes(names[id] ?? ''),
    idOf: (token) => tokenizer.tokenToId(token),
    isKnown: (id) => names[id] !== undefined,
  };
}

function load(library: NativeLibrary, json: TokenizerJson): NativeTokenizer {
  try {
    return library.Tokenizer.fromString(JSON.stringify(json));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DomainError('bad_tokenizer', `tokenizer.json: ${reason}`, { cause });
  }
}

function namesById(vocabulary: Readonly<Record<string, number>>): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const [name, id] of Object.entries(vocabulary)) names[id] = name;
  return names;
}
