// Removes values without effect from a client's body, so that schemas list only supported fields. In: any JSON object. Out: a
// copy, or a DomainError that names an unsupported field with an effect. Does not check the values of supported fields.
import { isDeepStrictEqual } from 'node:util';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { type Level, type Treatment, UNSERVED_FIELDS, type UnservedField } from './unserved-fields.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** How the bodies of an API are filtered. A level is a kind of object of its bodies. */
export interface FieldTable {
  /** By level: fields that hold an object of another level, or a list of them. */
  readonly nested: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By level and field, `level.field`. */
  readonly treatments: ReadonlyMap<string, Treatment>;
  /** Served fields below the body, whose empty lists and objects stay. */
  readonly servedBelow: ReadonlySet<string>;
}

/** The table of an API. */
export function fieldTable(
  nested: FieldTable['nested'],
  unserved: readonly UnservedField<string>[],
  servedBelow: readonly string[],
): FieldTable {
  const treatments = new Map(
    unserved.flatMap(({ levels, field, treatment }) =>
      levels.map((level) => [`${level}.${field}`, treatment] as const),
    ),
  );
  return { nested, treatments, servedBelow: new Set(servedBelow) };
}

const NESTED: Readonly<Record<Level, Readonly<Record<string, Level>>>> = {
  chat: {
    messages: 'message',
    stream_options: 'stream_options',
    response_format: 'response_format',
    tools: 'tool',
    functions: 'function',
  },
  completion: { stream_options: 'stream_options' },
  message: { content: 'part', tool_calls: 'call', function_call: 'called_function' },
  tool: { function: 'function' },
  function: {},
  call: { function: 'called_function' },
  called_function: {},
  part: {},
  stream_options: {},
  response_format: {},
};

/** The fields of the levels below a body. */
const SERVED_BELOW = ['role', 'content', 'name', 'type', 'text', 'include_usage', 'parameters'];

/** Chat completions and completions. */
export const OPENAI_FIELDS = fieldTable(NESTED, UNSERVED_FIELDS, SERVED_BELOW);

/**
 * Removes nulls on every level, hints, and values of unsupported fields that have no effect.
 * `served`: the names of the body's own fields, whose empty lists and objects stay.
 * @throws DomainError `unsupported_parameter` whose `param` is the path of the field.
 */
export function dropIdleFields(table: FieldTable, body: Fields, level: string, served: ReadonlySet<string>): Fields {
  return dropAt(table, body, level, '', served);
}

function dropAt(table: FieldTable, fields: Fields, level: string, prefix: string, served: ReadonlySet<string>): Fields {
  const kept = Object.entries(fields).flatMap(([name, value]) => {
    const path = `${prefix}${name.slice(0, 64)}`;
    const treatment = table.treatments.get(`${level}.${name}`);
    if (isIdle(value, treatment, served.has(name)) || repeatsOther(value, treatment, fields)) return [];
    if (treatment !== undefined && asksForMore(value, treatment)) throw notSupported(path);
    const below = ownValue(table.nested[level] ?? {}, name);
    return [[name, below === undefined ? value : dropBelow(table, value, below, path)] as const];
  });
  return Object.fromEntries(kept);
}

function ownValue(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function dropBelow(table: FieldTable, value: unknown, level: string, path: string): unknown {
  if (Array.isArray(value)) return value.map((element, at) => dropBelow(table, element, level, `${path}[${at}]`));
  return isFields(value) ? dropAt(table, value, level, `${path}.`, table.servedBelow) : value;
}

function isIdle(value: unknown, treatment: Treatment | undefined, served: boolean): boolean {
  if (value === null || treatment?.kind === 'hint') return true;
  if (treatment?.kind !== 'refused') return !served && isEmpty(value);
  if (isEmpty(value)) return treatment.emptyIsIdle;
  return treatment.idle.some((idle) => isDeepStrictEqual(value, idle));
}

function repeatsOther(value: unknown, treatment: Treatment | undefined, fields: Fields): boolean {
  return treatment?.kind === 'refused' && treatment.sameAs !== null && value === fields[treatment.sameAs];
}

function asksForMore(value: unknown, treatment: Treatment): boolean {
  return treatment.kind === 'refused' || (treatment.kind === 'refused-values' && treatment.values.includes(value));
}

/** True of empty lists, and of objects that hold nothing but nulls and empty values. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isFields(value) && Object.values(value).every((inner) => inner === null || isEmpty(inner));
}

/** Whether a JSON value is an object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notSupported(param: string): DomainError {
  return new DomainError('unsupported_parameter', `Unsupported parameter: '${param}' is not supported.`, { param });
}
