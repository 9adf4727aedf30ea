// TokenEngine on `@huggingface/tokenizers`, in plain JavaScript: for machines that the native library has no build for, and
// as its oracle in tests. Same ids; slower on long text. It takes normalised text that equals an added token for that token,
// so guards must survive normalisation here.
import { Tokenizer } from '@huggingface/tokenizers';
import { DomainError } from '../errors/domain-error.ts';
import { nameToBytes } from './token-bytes.ts';
import type { TokenEngine } from './tokenizer.ts';
import { addedTokensOf, eraseInPreTokenizer, type TokenizerJson } from './tokenizer-json.ts';

/** Builds the engine. Throws DomainError `bad_tokenizer` when the library refuses tokenizer.json. */
export function createJavaScriptEngine(json: TokenizerJson, controls: ReadonlySet<string>): TokenEngine {
  const tokenizer = load(eraseInPreTokenizer(json, controls));
  const toBytes = nameToBytes(json.decoder);
  const vocabSize = [...tokenizer.get_vocab(true).values()].reduce((largest, id) => Math.max(largest, id + 1), 0);
  return {
    vocabSize,
    addedTokens: addedTokensOf(json),
    encode: async (text, addPromptTokens) => tokenizer.encode(text, { add_special_tokens: addPromptTokens }).ids,
    // The library refuses an empty list.
    decode: (ids) => (ids.length === 0 ? '' : tokenizer.decode([...ids], { clean_up_tokenization_spaces: false })),
    tokenBytes: (id) => toBytes(tokenizer.id_to_token(id) ?? ''),
    idOf: (token) => tokenizer.token_to_id(token) ?? null,
    isKnown: (id) => tokenizer.id_to_token(id) !== undefined,
  };
}

function load(json: TokenizerJson): Tokenizer {
  try {
    return new Tokenizer(json, {});
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DomainError('bad_tokenizer', `tokenizer.json: ${reason}`, { cause });
  }
}
