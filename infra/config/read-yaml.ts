// Reads a hand-written YAML file and checks it against a schema. Errors name file, line and column, but never a value, which may
// be a secret.
import { readFileSync } from 'node:fs';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { DomainError } from '../errors/domain-error.ts';
import { fileFailure } from '../errors/file-failure.ts';

type Values = Readonly<Record<string, unknown>>;

export interface YamlFile {
  readonly values: Values;
  /** `path:line:column` of an issue. */
  locate(issue: z.core.$ZodIssue): string;
}

/** Throws DomainError `bad_config` if the file cannot be read, or is not a YAML mapping. */
export function readYaml(path: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: true });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw new DomainError('bad_config', `${path}: ${syntaxError.message}`);
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new DomainError('bad_config', `${path}: expected a mapping of settings at the top level.`);
  }
  return { values: values as Values, locate: (issue) => `${path}${positionOf(document, lines, issue)}` };
}

/** Throws DomainError `bad_config` with the first issue and its location, as formatted by `locate`. */
export function checkValues<S extends z.ZodType>(
  schema: S,
  values: unknown,
  locate: (issue: z.core.$ZodIssue) => string,
): z.output<S> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new TypeError('zod failed without an issue');
  const key = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])].join('.');
  const what = issue.code === 'unrecognized_keys' ? `unknown key \`${key}\`` : `\`${key}\`: ${issue.message}`;
  throw new DomainError('bad_config', `${locate(issue)}: ${what}.`, { param: key });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw (
      fileFailure(cause, 'bad_config', path) ??
      new DomainError('bad_config', `${path}: cannot be read. Check its permissions.`, { cause })
    );
  }
}

/** Position of the offending key: of the unknown key itself, otherwise of the value. */
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
