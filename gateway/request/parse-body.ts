// unknown -> a body of the type its zod schema describes. In: JSON value. Out: typed body, or a DomainError naming the field.
import type { z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { dropIdleFields, type Fields, type FieldTable, isFields } from './drop-idle-fields.ts';

/**
 * Checks a value against a schema.
 * @throws DomainError `invalid_request`, whose `param` is the path of the field.
 */
export function parseBody<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  return parseFields(schema, value, requireFields(value));
}

/**
 * Validates the body of a request for a generation, without values that have no effect. `level`: that of the body in the table.
 * @throws DomainError `unsupported_parameter` or `invalid_request`, whose `param` is the path of the field.
 */
export function parseGenerationBody<S extends z.ZodObject>(
  schema: S,
  value: unknown,
  table: FieldTable,
  level: string,
): z.infer<S> {
  const served = new Set(Object.keys(schema.shape));
  return parseFields(schema, value, dropIdleFields(table, requireFields(value), level, served));
}

/** `value`: what was sent, from which messages name what was received. */
function parseFields<S extends z.ZodType>(schema: S, value: unknown, fields: Fields): z.infer<S> {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new TypeError('zod failed without an issue');
  throw explain(issue, value);
}

function requireFields(value: unknown): Fields {
  if (isFields(value)) return value;
  throw new DomainError('invalid_request', 'Expected the request body to be a JSON object.');
}

function explain(issue: z.core.$ZodIssue, body: unknown): DomainError {
  const deepest = deepestIssue(issue);
  const path = [...deepest.path, ...(deepest.code === 'unrecognized_keys' ? deepest.keys.slice(0, 1) : [])];
  const param = path.map(pathStep).join('').replace(/^\./, '');
  if (deepest.code === 'unrecognized_keys') {
    return new DomainError('invalid_request', `Unrecognized request argument supplied: '${param}'.`, { param });
  }
  return new DomainError('invalid_request', `Invalid '${param}': ${describeFault(deepest, body)}.`, { param });
}

function pathStep(step: PropertyKey): string {
  return typeof step === 'number' ? `[${step}]` : `.${String(step).slice(0, 64)}`;
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

function describeFault(issue: z.core.$ZodIssue, body: unknown): string {
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
