// tokenizer.json as the engines need it. In: its text. Out: the parsed file, changed so that guards work (guard-text.ts):
// control tokens are matched before anything else happens to the text, and guards are erased after that.
import { z } from 'zod';
import { DomainError } from '../errors/domain-error.ts';
import { GUARD } from './guard-text.ts';
import type { AddedToken } from './tokenizer.ts';
import { parseFile } from './tokenizer-config.ts';

const tokenizerJson = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: z.int().nonnegative(), content: z.string(), special: z.boolean() }))
    .nullish(),
  normalizer: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
  decoder: z.unknown().optional(),
  model: z.looseObject({ type: z.string().optional() }),
});

export type TokenizerJson = z.infer<typeof tokenizerJson>;

/** Parses tokenizer.json. Throws DomainError `bad_tokenizer` naming the field. */
export function parseTokenizerJson(text: string): TokenizerJson {
  const json = parseFile('tokenizer.json', tokenizerJson, text);
  if (json.model.type === 'Unigram') {
    throw new DomainError('bad_tokenizer', 'tokenizer.json: model.type: Unigram is not supported, expected BPE');
  }
  return json;
}

/** The tokens of `added_tokens`. */
export function addedTokensOf(json: TokenizerJson): AddedToken[] {
  return (json.added_tokens ?? []).map(({ id, content, special }) => ({ id, text: content, special }));
}

const ERASE_GUARDS = { type: 'Replace', pattern: { String: GUARD }, content: '' };

/** The same tokenizer, erasing guards as the first step of normalisation. */
export function eraseInNormalizer(json: TokenizerJson, controls: ReadonlySet<string>): TokenizerJson {
  const normalizers = [ERASE_GUARDS, ...(json.normalizer == null ? [] : [json.normalizer])];
  return { ...matchFirst(json, controls), normalizer: { type: 'Sequence', normalizers } };
}

/** The same tokenizer, erasing guards when normalised text is split. */
export function eraseInPreTokenizer(json: TokenizerJson, controls: ReadonlySet<string>): TokenizerJson {
  const pretokenizers = [ERASE_GUARDS, ...(json.pre_tokenizer == null ? [] : [json.pre_tokenizer])];
  return { ...matchFirst(json, controls), pre_tokenizer: { type: 'Sequence', pretokenizers } };
}

function matchFirst(json: TokenizerJson, controls: ReadonlySet<string>): TokenizerJson {
  const added = (json.added_tokens ?? []).map((token) =>
    controls.has(token.content) ? { ...token, normalized: false } : token,
  );
  return { ...json, added_tokens: added };
}
