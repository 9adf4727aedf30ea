// config.json of a model. In: a folder or text. Out: the parsed object with its model_type, or DomainError `bad_config`
// naming file, key, value and what is supported. Knows no family.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { COPY_AGAIN, fileFailure } from '../../infra/errors/file-failure.ts';

export const CONFIG_FILE = 'config.json';

/** Where ModelOpt says what config.json does not: how the weights are quantised. */
const MODELOPT_FILE = 'hf_quant_config.json';

const QUANTIZATION_KEYS: readonly string[] = ['quantization', 'quantization_config'];

export interface ModelConfig {
  /** Where it was read, for messages. */
  readonly path: string;
  readonly text: string;
  readonly modelType: string;
  /** Without what says how weights are quantised, since that changes where they are and not what is computed. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly quantization: StatedQuantization;
  /** What it was read from. */
  readonly files: readonly string[];
}

/** As a config states it; undefined where it does not. */
export interface StatedQuantization {
  /** `quantization`. */
  readonly mlx: unknown;
  /** `quantization_config`, or the contents of hf_quant_config.json. */
  readonly huggingFace: unknown;
}

/** Reads `<folder>/config.json`. Throws DomainError `bad_config`. */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, CONFIG_FILE);
  try {
    return await withModelOpt(folder, parseModelConfig(await readFile(path, 'utf8'), path));
  } catch (thrown) {
    if (thrown instanceof DomainError) throw thrown;
    throw unreadable(folder, path, thrown);
  }
}

async function withModelOpt(folder: string, config: ModelConfig): Promise<ModelConfig> {
  const { mlx, huggingFace } = config.quantization;
  const path = join(folder, MODELOPT_FILE);
  if (mlx !== undefined || huggingFace !== undefined || !existsSync(path)) return config;
  const quantization = { mlx, huggingFace: parseJson(await readFile(path, 'utf8'), path) };
  return { ...config, quantization, files: [...config.files, path] };
}

function unreadable(folder: string, path: string, cause: unknown): DomainError {
  const { code } = cause as Partial<NodeJS.ErrnoException>;
  if (code === 'ENOTDIR' && folder.endsWith('.gguf')) {
    const message = `${folder} is a GGUF file; convert it with \`conclave model import ${folder} --out FOLDER\``;
    return new DomainError('bad_config', message, { param: folder, cause });
  }
  if (code === 'ENOTDIR') {
    return new DomainError('bad_config', `${folder} is a file; name the folder of the model`, { param: folder, cause });
  }
  const missing = `${path} does not exist; name a model folder, which has one`;
  const failure = code === 'ENOENT' ? undefined : fileFailure(cause, 'bad_config', path);
  return failure ?? new DomainError('bad_config', missing, { param: path, cause });
}

/** Parses the text of a config.json; `path` is only for messages. Throws DomainError `bad_config`. */
export function parseModelConfig(text: string, path: string): ModelConfig {
  const parsed = z.record(z.string(), z.unknown()).safeParse(parseJson(text, path));
  if (!parsed.success)
    throw new DomainError('bad_config', `${path}: expected a JSON object${COPY_AGAIN}`, { param: path });
  const modelType = parsed.data['model_type'];
  if (typeof modelType !== 'string') {
    throw refuseKey({ path }, 'model_type', modelType, 'expected the name of a model family');
  }
  const stated = (key: string): unknown => parsed.data[key] ?? undefined;
  return {
    path,
    text,
    modelType,
    value: Object.fromEntries(Object.entries(parsed.data).filter(([key]) => !QUANTIZATION_KEYS.includes(key))),
    quantization: { mlx: stated('quantization'), huggingFace: stated('quantization_config') },
    files: [path],
  };
}

/** Applies a family's schema; the first thing wrong becomes a DomainError `bad_config` with key and value. */
export function parseFamilyConfig<T>(config: ModelConfig, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(config.value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  if (issue === undefined) throw new TypeError('a failed parse has an issue');
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const keys = unknownKey === undefined ? issue.path : [...issue.path, unknownKey];
  const expected =
    unknownKey === undefined ? issue.message : 'an unknown key, which could change what the model computes';
  throw refuseKey(config, keys.map(String).join('.'), valueAt(config.value, keys), expected);
}

/** The error for a key whose value cannot be served. */
export function refuseKey(config: { path: string }, key: string, value: unknown, expected: string): DomainError {
  const shown = value === undefined ? 'missing' : JSON.stringify(value);
  return new DomainError('bad_config', `${config.path}: "${key}" is ${shown}: ${expected}`, { param: key });
}

function valueAt(value: unknown, keys: readonly PropertyKey[]): unknown {
  return keys.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DomainError('bad_config', `${path} is not valid JSON${COPY_AGAIN}`, { param: path, cause });
  }
}
