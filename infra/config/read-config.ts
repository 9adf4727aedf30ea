// Merges defaults, conclave.yaml, environment and flags, in ascending precedence, into a frozen Config. Must not open any
// file but the configuration file, and must not print values: URLs may contain passwords.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { type Config, configSchema } from './config-schema.ts';
import { checkValues, readYaml } from './read-yaml.ts';

/** Command-line overrides; `config` is the path of the configuration file. */
export interface ConfigFlags {
  readonly config?: string;
  readonly home?: string;
  readonly port?: number;
  readonly host?: string;
  readonly nodes?: number;
  readonly model?: string;
  readonly servedModelName?: string;
  /** `worker.threads` */
  readonly threads?: number;
  /** `worker.group` */
  readonly group?: string;
}

type Values = Readonly<Record<string, unknown>>;

const ENVIRONMENT: readonly (readonly [variable: string, key: string, convert: (text: string) => unknown])[] = [
  ['REDIS_URL', 'redisUrl', String],
  ['EXCHANGE_URL', 'exchangeUrl', String],
  ['CONCLAVE_HOME', 'home', String],
  ['CONCLAVE_HOST', 'host', String],
  ['CONCLAVE_PORT', 'port', Number],
];

/**
 * Reads the configuration from `flags.config`, or else from `conclave.yaml` in the working directory if it exists.
 * @throws DomainError `bad_config` naming file, line and column, or the variable or flag at fault.
 */
export function readConfig(flags: ConfigFlags = {}, environment: NodeJS.ProcessEnv = process.env): Config {
  const path = flags.config ?? (existsSync('conclave.yaml') ? 'conclave.yaml' : undefined);
  const file = path === undefined ? undefined : readYaml(path);
  // The file is validated before merging, so that errors can be located in it.
  const fromFile: Partial<Config> = file === undefined ? {} : checkValues(configSchema, file.values, file.locate);
  const { config: _, threads, group, ...settings } = flags;
  const worker = { ...fromFile.worker, ...withoutUndefined({ threads, group }) };
  const overrides = { ...readEnvironment(environment), ...withoutUndefined(settings), worker };
  const config = checkValues(configSchema, { ...fromFile, ...overrides }, (issue) => nameOverride(issue, environment));
  return deepFreeze({ ...config, home: resolve(config.home) });
}

/** Path of the file with the pepper, the HMAC key for hashing API keys. */
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
