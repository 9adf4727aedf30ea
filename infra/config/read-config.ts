// conclave.yaml + environment + flags -> one frozen Config. Later wins: defaults, file, environment, flags.
// Must not open anything but the configuration file, and never prints a value (URLs hold passwords).
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { DomainError } from '../errors/domain-error.ts';
import { type Config, configSchema } from './config-schema.ts';

/** What the command line may set; `config` names the file. */
export interface ConfigFlags {
  readonly config?: string;
  readonly home?: string;
  readonly port?: number;
  readonly host?: string;
  readonly nodes?: number;
  readonly model?: string;
  /** Of the worker. */
  readonly threads?: number;
  /** Of the worker. */
  readonly group?: string;
}

type Values = Readonly<Record<string, unknown>>;

const ENVIRONMENT: readonly (readonly [variable: string, key: string, convert: (text: string) => unknown])[] = [
  ['REDIS_URL', 'redisUrl', String],
  ['EXCHANGE_URL', 'exchangeUrl', String],
  ['CONCLAVE_HOME', 'home', String],
  ['CONCLAVE_PORT', 'port', Number],
];

/**
 * Reads the configuration. The file is `flags.config`, else `conclave.yaml` in the working directory if there is one.
 * @throws DomainError `bad_config` naming file, line and column, or the variable or flag at fault.
 */
export function readConfig(flags: ConfigFlags = {}, environment: NodeJS.ProcessEnv = process.env): Config {
  const path = flags.config ?? (existsSync('conclave.yaml') ? 'conclave.yaml' : undefined);
  const file = path === undefined ? undefined : readYaml(path);
  const fromFile: Partial<Config> = file === undefined ? {} : validated(file.values, (issue) => file.locate(issue));
  const { config: _, threads, group, ...settings } = flags;
  const worker = { ...fromFile.worker, ...withoutUndefined({ threads, group }) };
  const overrides = { ...readEnvironment(environment), ...withoutUndefined(settings), worker };
  const config = validated({ ...fromFile, ...overrides }, (issue) => nameOverride(issue, environment));
  return deepFreeze({ ...config, home: resolve(config.home) });
}

/** Where the key of the keyed hashes lives. */
export function pepperPath(config: Config): string {
  return config.auth.pepperFile ?? join(config.home, 'pepper');
}

function readEnvironment(environment: NodeJS.ProcessEnv): Values {
  const set = ENVIRONMENT.filter(([variable]) => (environment[variable] ?? '') !== '');
  return Object.fromEntries(set.map(([variable, key, convert]) => [key, convert(environment[variable] ?? '')]));
}

function withoutUndefined(values: object): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

interface YamlFile {
  readonly values: Values;
  locate(issue: z.core.$ZodIssue): string;
}

function readYaml(path: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: true });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw new DomainError('bad_config', `${path}: ${syntaxError.message}`);
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new DomainError('bad_config', `${path}: expected a mapping of settings at the top.`);
  }
  return { values: values as Values, locate: (issue) => `${path}${positionOf(document, lines, issue)}` };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DomainError('bad_config', `${path}: cannot be read.`, { cause });
  }
}

/** The place of the key at fault: of the unknown key itself, else of the value. */
function positionOf(document: Document, lines: LineCounter, issue: z.core.$ZodIssue): string {
  const parent = document.getIn(issue.path, true);
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const pair = isMap(parent)
    ? parent.items.find((item) => isScalar(item.key) && item.key.value === unknownKey)
    : undefined;
  const node = pair?.key ?? parent ?? document.contents;
  const offset = (node as { range?: readonly number[] | null } | null)?.range?.[0];
  if (offset === undefined) return '';
  const { line, col } = lines.linePos(offset);
  return `:${line}:${col}`;
}

/** Before it is merged a value is still where its author wrote it, so each source is checked on its own. */
function validated(values: Values, locate: (issue: z.core.$ZodIssue) => string): Config {
  const result = configSchema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new TypeError('zod failed without an issue');
  const key = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])].join('.');
  const what = issue.code === 'unrecognized_keys' ? `unknown key \`${key}\`` : `\`${key}\`: ${issue.message}`;
  throw new DomainError('bad_config', `${locate(issue)}: ${what}.`, { param: key });
}

function nameOverride(issue: z.core.$ZodIssue, environment: NodeJS.ProcessEnv): string {
  const key = String(issue.path.at(-1) ?? '');
  const variable = ENVIRONMENT.find(([name, target]) => target === key && (environment[name] ?? '') !== '')?.[0];
  return variable === undefined ? `--${key}` : variable;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
