// What Conclave reads from tokenizer_config.json, special_tokens_map.json, generation_config.json and config.json. In: their text. Out:
// names of the special tokens, eos ids and chat templates. clean_up_tokenization_spaces is ignored on purpose: it rewrites
// spaces in generated text, and DBRX's own config asks for it.
import { z } from 'zod';
import { DomainError } from '../errors/domain-error.ts';
import { COPY_AGAIN } from '../errors/file-failure.ts';
import { parseJson, type TokenizerFiles } from './tokenizer-files.ts';

/** Special tokens by role, as text; null where the model has none. */
export interface NamedTokens {
  readonly bos: string | null;
  readonly eos: string | null;
  readonly pad: string | null;
  readonly unk: string | null;
}

export interface TokenizerConfig {
  readonly tokens: NamedTokens;
  /** `eos_token_id` of generation_config.json, or of config.json where that has none. */
  readonly eosIds: readonly number[];
  /** `vocab_size` of config.json; null where it has none. */
  readonly vocabSize: number | null;
  /** Chat templates by name; `default` is the one without tools. */
  readonly chatTemplates: ReadonlyMap<string, string>;
}

const tokenText = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform((token) => token.content)])
  .nullish();
const namedTokens = { bos_token: tokenText, eos_token: tokenText, pad_token: tokenText, unk_token: tokenText };
const specialTokensMap = z.looseObject(namedTokens);
const tokenizerConfig = z.looseObject({
  ...namedTokens,
  chat_template: z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))]).nullish(),
});
const tokenId = z.int().nonnegative();
const eosTokenId = { eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish() };
const generationConfig = z.looseObject(eosTokenId);
/** A model that also sees or hears has its text model's keys one level down. */
const modelConfig = z.looseObject({
  ...eosTokenId,
  vocab_size: z.unknown().optional(),
  text_config: z.looseObject(eosTokenId).nullish(),
});

/** Reads the configuration that accompanies tokenizer.json. Throws DomainError `bad_tokenizer` naming the file and field. */
export function readTokenizerConfig(files: TokenizerFiles): TokenizerConfig {
  const config = parseFile('tokenizer_config.json', tokenizerConfig, files.tokenizerConfigJson);
  const map = parseFile('special_tokens_map.json', specialTokensMap, files.specialTokensMapJson);
  const generation = parseFile('generation_config.json', generationConfig, files.generationConfigJson);
  const model = parseFile('config.json', modelConfig, files.configJson ?? null);
  const pick = (name: keyof typeof namedTokens): string | null => config[name] ?? map[name] ?? null;
  return {
    tokens: { bos: pick('bos_token'), eos: pick('eos_token'), pad: pick('pad_token'), unk: pick('unk_token') },
    eosIds: [generation.eos_token_id ?? model.eos_token_id ?? model.text_config?.eos_token_id ?? []].flat(),
    vocabSize: typeof model.vocab_size === 'number' ? model.vocab_size : null,
    chatTemplates: templatesByName(files.chatTemplate ?? config.chat_template ?? []),
  };
}

function templatesByName(
  templates: string | readonly { readonly name: string; readonly template: string }[],
): ReadonlyMap<string, string> {
  if (typeof templates === 'string') return new Map([['default', templates]]);
  return new Map(templates.map((entry) => [entry.name, entry.template]));
}

/** Parses `text` of `file` by `schema`, an absent file as {}. Throws DomainError `bad_tokenizer` naming file and field. */
export function parseFile<T>(file: string, schema: z.ZodType<T>, text: string | null): T {
  const parsed = schema.safeParse(text === null ? {} : parseJson(file, text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || 'the whole file';
  throw new DomainError('bad_tokenizer', `${file}: ${field}: ${issue?.message ?? 'invalid'}${COPY_AGAIN}`, {
    cause: parsed.error,
  });
}
