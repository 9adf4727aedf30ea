// unknown -> a body of the type its zod schema describes. In: JSON value. Out: typed body, or a DomainError naming the field.
import type { z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Checks a body against its schema.
 * `unsupported`: OpenAI's fields that are known but not served, with values that may be sent all the same.
 * @throws DomainError `unsupported_parameter` or `invalid_request`, whose `param` is the path of the field.
 */
export function parseBody<S extends z.ZodType>(
  schema: S,
  value: unknown,
  unsupported: Readonly<Record<string, readonly unknown[]>> = {},
): z.infer<S> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DomainError('invalid_request', 'Expected the request body to be a JSON object.');
  }
  const result = schema.safeParse(withoutUnsupported(value as Fields, unsupported));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new TypeError('zod failed without an issue');
  throw explain(issue, value);
}

/** Refuses fields that ask for something; those that ask for nothing are left out, so that the schema need not know them. */
function withoutUnsupported(fields: Fields, unsupported: Readonly<Record<string, readonly unknown[]>>): Fields {
  const kept = Object.entries(fields).filter(([name, value]) => {
    const neutral = Object.hasOwn(unsupported, name) ? unsupported[name] : undefined;
    if (neutral === undefined) return true;
    if (value !== null && !isEmptyArray(value) && !neutral.includes(value)) throw notSupported(name);
    return false;
  });
  return Object.fromEntries(kept);
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function notSupported(param: string): DomainError {
  return new DomainError('unsupported_parameter', `Unsupported parameter: '${param}' is not supported.`, { param });
}

/** Content of a kind we do not serve (images, tools) is well-formed OpenAI, so it is named as unsupported, not as wrong. */
const OPENAI_MESSAGE_FIELDS = new Set(['name', 'tool_calls', 'tool_call_id', 'function_call', 'refusal', 'audio']);
const OPENAI_ROLES = new Set(['tool', 'function']);
const OPENAI_PARTS = new Set(['image_url', 'input_audio', 'file', 'refusal']);
const OPENAI_FORMATS = new Set(['json_object', 'json_schema']);

function explain(issue: z.core.$ZodIssue, body: unknown): DomainError {
  const deepest = deepestIssue(issue);
  const path = [...deepest.path, ...(deepest.code === 'unrecognized_keys' ? deepest.keys.slice(0, 1) : [])];
  const param = path.map(pathStep).join('').replace(/^\./, '');
  if (isUnsupported(path, valueAt(body, path))) return notSupported(param);
  if (deepest.code === 'unrecognized_keys') {
    return new DomainError('invalid_request', `Unrecognized request argument supplied: '${param}'.`, { param });
  }
  return new DomainError('invalid_request', `Invalid '${param}': ${sayWhatIsWrong(deepest, body)}.`, { param });
}

function pathStep(step: PropertyKey): string {
  return typeof step === 'number' ? `[${step}]` : `.${String(step).slice(0, 64)}`;
}

function isUnsupported(path: readonly PropertyKey[], value: unknown): boolean {
  const field = String(path.at(-1));
  if (path[0] === 'messages' && OPENAI_MESSAGE_FIELDS.has(field)) return true;
  if (field === 'role') return OPENAI_ROLES.has(String(value));
  if (field !== 'type') return false;
  return path[0] === 'messages' ? OPENAI_PARTS.has(String(value)) : OPENAI_FORMATS.has(String(value));
}

/** Of a union's branches, the one that got furthest into the value is the one that its author meant. */
function deepestIssue(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const reasons = issue.errors.flatMap((branch) => branch.slice(0, 1)).filter((reason) => depth(reason) > 0);
  const [best] = reasons.sort((left, right) => depth(right) - depth(left));
  return best === undefined ? issue : deepestIssue({ ...best, path: [...issue.path, ...best.path] });
}

/** 0 when the value is not of the branch's type at all; beyond that, being of the right type counts more than being deep. */
function depth(issue: z.core.$ZodIssue): number {
  return issue.code === 'invalid_type' ? issue.path.length : 100 + issue.path.length;
}

function sayWhatIsWrong(issue: z.core.$ZodIssue, body: unknown): string {
  const received = nameType(valueAt(body, issue.path));
  if (issue.code === 'invalid_union') return `expected ${unionTypes(issue)} but received ${received}`;
  if (issue.code === 'invalid_type') return `expected ${nameExpected(issue.expected)} but received ${received}`;
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

function nameExpected(type: string): string {
  return type === 'int' ? 'an integer' : type;
}

function unionTypes(issue: z.core.$ZodIssueInvalidUnion): string {
  const types = issue.errors.flatMap((branch) =>
    branch.map((each) => (each.code === 'invalid_type' ? each.expected : '')),
  );
  return [...new Set(types.filter((type) => type !== ''))].join(' or ') || 'another value';
}

function nameType(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => {
    const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, step);
    return inside ? (value as Readonly<Record<PropertyKey, unknown>>)[step] : undefined;
  }, body);
}
