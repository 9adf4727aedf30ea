// Builds a Tokenizer from a model's files, on the native library, or on the JavaScript one if the native one cannot be loaded.
import { DomainError } from '../errors/domain-error.ts';
import { COPY_AGAIN } from '../errors/file-failure.ts';
import { controlTokens } from './control-tokens.ts';
import { createDbrxEngine } from './dbrx-engine.ts';
import { createGuard, removeGuards } from './guard-text.ts';
import { createJavaScriptEngine } from './javascript-engine.ts';
import { createNativeEngine, type NativeLibrary } from './native-engine.ts';
import type { EncodeOptions, TokenEngine, Tokenizer } from './tokenizer.ts';
import { readTokenizerConfig, type TokenizerConfig } from './tokenizer-config.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';
import { addedTokensOf, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.ts';

/** Builds the tokenizer of a model. Throws DomainError `bad_tokenizer` naming the missing or invalid file. */
export async function createTokenizer(files: TokenizerFiles): Promise<Tokenizer> {
  const library = await loadNativeLibrary();
  return createTokenizerWith(files, (json, controls) =>
    library === null ? createJavaScriptEngine(json, controls) : createNativeEngine(library, json, controls),
  );
}

/** As createTokenizer, with the given engine for tokenizer.json. */
export async function createTokenizerWith(
  files: TokenizerFiles,
  createEngine: (json: TokenizerJson, controls: ReadonlySet<string>) => TokenEngine,
): Promise<Tokenizer> {
  const config = readTokenizerConfig(files);
  if (files.tokenizerJson !== null) {
    const json = parseTokenizerJson(files.tokenizerJson);
    const controls = controlTokens(addedTokensOf(json), config.chatTemplates.values());
    return tokenizerOf(createEngine(json, new Set(controls)), config, files.family);
  }
  if (files.family === 'dbrx') return tokenizerOf(builtIn(createDbrxEngine(), config), config, files.family);
  throw new DomainError(
    'bad_tokenizer',
    `tokenizer.json is missing, which models of family ${files.family} need${COPY_AGAIN}`,
  );
}

/** A model whose vocabulary is smaller than the built-in tokenizer's must come with its own tokenizer. */
function builtIn(engine: TokenEngine, { vocabSize }: TokenizerConfig): TokenEngine {
  if (vocabSize === null || vocabSize >= engine.vocabSize) return engine;
  const sizes = `the built-in tokenizer has ${engine.vocabSize} tokens, but the model has ${vocabSize}`;
  throw new DomainError('bad_tokenizer', `tokenizer.json is missing: ${sizes}${COPY_AGAIN}`);
}

/** The native library, or null if it has no build for this machine. */
async function loadNativeLibrary(): Promise<NativeLibrary | null> {
  try {
    return await import('tokenizers');
  } catch {
    return null;
  }
}

function tokenizerOf(engine: TokenEngine, config: TokenizerConfig, family: string): Tokenizer {
  const guard = createGuard(controlTokens(engine.addedTokens, config.chatTemplates.values()));
  const special = new Set(engine.addedTokens.filter((token) => token.special).map((token) => token.id));
  const isSilent = (id: number) => special.has(id) || !engine.isKnown(id);
  const prepare: Readonly<Record<EncodeOptions['specials'], (text: string) => string>> = {
    parsed: removeGuards,
    text: guard,
    guarded: (text) => text,
  };
  return {
    vocabSize: engine.vocabSize,
    addedTokens: engine.addedTokens,
    eosIds: eosIds(engine, config, family),
    encode: (text, options) => engine.encode(prepare[options.specials](text), options.addPromptTokens),
    decode: (ids) => engine.decode(ids.filter((id) => !isSilent(id))),
    tokenBytes: (id) => engine.tokenBytes(id),
    isSilent,
  };
}

// All sources count: eos_token_id of generation_config.json, or else of config.json, and the older eos_token. DBRX ends its
// turns with <|im_end|>, which its files do not name.
function eosIds(engine: TokenEngine, config: TokenizerConfig, family: string): number[] {
  const named = config.tokens.eos === null ? [] : [requireId(engine, config.tokens.eos)];
  const dbrx = family === 'dbrx' ? ['<|endoftext|>', '<|im_end|>'].map((token) => engine.idOf(token)) : [];
  return [...new Set([...config.eosIds, ...named, ...dbrx.filter((id) => id !== null)])];
}

function requireId(engine: TokenEngine, token: string): number {
  const id = engine.idOf(token);
  if (id !== null) return id;
  throw new DomainError(
    'bad_tokenizer',
    `tokenizer_config.json: eos_token ${JSON.stringify(token)} is not in the tokenizer's vocabulary${COPY_AGAIN}`,
  );
}
