// Which files of a repository a model is made of. Pure. Never pickles and never code: what is not named here is not downloaded.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { INDEX_FILE, SINGLE_FILE } from '../model/checkpoint-index.ts';
import { CONFIG_FILE } from '../model/read-model-config.ts';

/** A file as the hub lists it. */
export interface HubFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of its contents, or for small files the SHA-1 that git gives it. */
  readonly hash: string;
}

const DESCRIBING = new Set([
  CONFIG_FILE,
  'generation_config.json',
  'hf_quant_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'tiktoken.model',
  'tekken.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  INDEX_FILE,
]);

/** Config, tokenizer, templates and the index of shards. Throws DomainError `bad_checkpoint` if this is no model that can be served. */
export function describingFiles(repository: string, files: readonly HubFile[]): readonly HubFile[] {
  const has = (name: string): boolean => files.some((file) => file.name === name);
  if (!has(CONFIG_FILE)) throw refusal(repository, 'has no config.json: it is no model for transformers or MLX');
  if (!has(SINGLE_FILE) && !has(INDEX_FILE)) throw refusal(repository, withoutWeights(files));
  return files.filter(({ name }) => DESCRIBING.has(name));
}

function withoutWeights(files: readonly HubFile[]): string {
  const ending = (suffix: RegExp): boolean => files.some(({ name }) => suffix.test(name));
  const missing = `has neither ${SINGLE_FILE} nor ${INDEX_FILE}`;
  if (ending(/\.gguf$/))
    return `${missing}, only GGUF: download one of its files and convert it with \`conclave model import\``;
  if (ending(/\.(?:bin|pt|pth|ckpt)$/)) {
    return `${missing}, only pickles, which can run code and are not read: choose a repository with safetensors`;
  }
  return `${missing}: choose a repository with safetensors`;
}

/** The files of weights. `shards`: names from the index; null for a single file. Throws `bad_checkpoint` for one that is not there. */
export function weightFiles(
  repository: string,
  files: readonly HubFile[],
  shards: readonly string[] | null,
): readonly HubFile[] {
  return (shards ?? [SINGLE_FILE]).map((name) => {
    const file = files.find((each) => each.name === name);
    if (file === undefined) throw refusal(repository, `has no ${name}, which its ${INDEX_FILE} names`);
    return file;
  });
}

function refusal(repository: string, what: string): DomainError {
  return new DomainError('bad_checkpoint', `${repository} ${what}.`, { param: repository });
}
