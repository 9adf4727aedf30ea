// A tokenizer's files as text. A worker reads them from the model folder and publishes them in the model card; a gateway,
// which has no model files, receives them from there. Must not interpret them beyond checking that the JSON parses.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../errors/domain-error.ts';
import { COPY_AGAIN, fileFailure } from '../errors/file-failure.ts';

/** Everything that a tokenizer and a chat template are built from; serializable as JSON. */
export interface TokenizerFiles {
  /** `model_type` of config.json. */
  readonly family: string;
  /** tokenizer.json; null if the family's built-in tokenizer is used. */
  readonly tokenizerJson: string | null;
  /** tokenizer_config.json: bos, eos and chat templates. */
  readonly tokenizerConfigJson: string | null;
  /** special_tokens_map.json: bos and eos if missing from tokenizer_config.json. */
  readonly specialTokensMapJson: string | null;
  /** generation_config.json: eos token ids. */
  readonly generationConfigJson: string | null;
  /** config.json: eos token ids if missing from generation_config.json. Absent in cards published by older workers. */
  readonly configJson?: string | null;
  /** chat_template.jinja; takes precedence over templates in tokenizer_config.json. */
  readonly chatTemplate: string | null;
}

/** Families whose tokenizer needs no tokenizer.json. */
const BUILT_IN_FAMILIES: readonly string[] = ['dbrx'];

/** Reads the tokenizer files of a model folder. Throws DomainError `bad_tokenizer` naming the missing or invalid file. */
export async function readTokenizerFiles(folder: string, family: string): Promise<TokenizerFiles> {
  const tokenizerJson = await readJsonText(join(folder, 'tokenizer.json'));
  if (tokenizerJson === null && !BUILT_IN_FAMILIES.includes(family)) {
    const message = `${join(folder, 'tokenizer.json')} is missing${COPY_AGAIN}`;
    throw new DomainError('bad_tokenizer', message);
  }
  return {
    family,
    tokenizerJson,
    tokenizerConfigJson: await readJsonText(join(folder, 'tokenizer_config.json')),
    specialTokensMapJson: await readJsonText(join(folder, 'special_tokens_map.json')),
    generationConfigJson: await readJsonText(join(folder, 'generation_config.json')),
    configJson: await readJsonText(join(folder, 'config.json')),
    chatTemplate: await readText(join(folder, 'chat_template.jinja')),
  };
}

/** Runs `use` on the files of a folder, and adds the folder to their errors, which name the file only. */
export async function namingFolder<T>(folder: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (thrown) {
    if (!(thrown instanceof DomainError && thrown.code === 'bad_tokenizer')) throw thrown;
    throw new DomainError('bad_tokenizer', `${folder}: ${thrown.message}`, { param: folder, cause: thrown });
  }
}

async function readJsonText(path: string): Promise<string | null> {
  const text = await readText(path);
  if (text !== null) parseJson(path, text);
  return text;
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw (
      fileFailure(cause, 'bad_tokenizer', path) ??
      new DomainError('bad_tokenizer', `${path} cannot be read${COPY_AGAIN}`, { cause })
    );
  }
}

/** Parses JSON text. Throws DomainError `bad_tokenizer` naming `file`. */
export function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DomainError('bad_tokenizer', `${file} is not valid JSON${COPY_AGAIN}`, { cause });
  }
}
