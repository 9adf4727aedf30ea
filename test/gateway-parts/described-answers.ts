// Holds answers of a gateway against its /openapi.json: status, content type, headers, body and events. What the description does
// not declare, a field included, is a failure. Pages for browsers are the only answers that it leaves out.
import assert from 'node:assert/strict';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { azurePath } from '../../gateway/apis/azure-paths.ts';
import type { GatewayEnv } from '../../gateway/environment.ts';
import { errorShape } from '../../gateway/errors/error-answer.ts';

type Fetch = OpenAPIHono<GatewayEnv>['fetch'];
type Json = { readonly [name: string]: unknown };

interface HeaderObject {
  readonly required: boolean;
  readonly schema: { readonly pattern: string };
}

interface AnswerObject {
  readonly headers?: Readonly<Record<string, { readonly $ref: string }>>;
  readonly content?: Readonly<Record<string, Json>>;
}

interface ParameterObject {
  readonly name: string;
  readonly in: string;
  readonly schema: { readonly pattern?: string };
}

interface OperationObject {
  readonly operationId: string;
  readonly parameters?: readonly ParameterObject[];
  readonly responses: Readonly<Record<string, AnswerObject>>;
}

export interface ApiDescription {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: { readonly headers: Readonly<Record<string, HeaderObject>>; readonly schemas: Json };
}

/** Pages for browsers, and what their scripts ask for. */
export const PAGES = /^\/($|admin($|\/log(in|out)$|\/queues($|\/)))/;

/** Headers of every answer that belong to HTTP or to browsers. */
const COMMON_HEADERS =
  /^(content-|date$|connection$|keep-alive$|transfer-encoding$|cache-control|vary|allow|access-control-|x-accel-buffering|x-content-type-options|x-frame-options|referrer-policy|cross-origin-)/;

export interface Answer {
  readonly method: string;
  /** With or without a query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** A check of whole answers by a description. */
export function describedAnswers(description: ApiDescription): (answer: Answer) => void {
  const validate = createValidator(description);
  const operations = Object.entries(description.paths).map(([path, byMethod]) => ({
    path,
    pattern: pathPattern(path, byMethod),
    byMethod,
  }));
  return (answer) => {
    const path = azurePath(answer.path.split('?')[0] ?? '');
    if (PAGES.test(path)) return;
    const method = answer.method === 'HEAD' ? 'get' : answer.method.toLowerCase();
    const found = operations.find(({ pattern, byMethod }) => pattern.test(path) && byMethod[method] !== undefined);
    const operation = found?.byMethod[method];
    if (found === undefined || operation === undefined) return checkUndescribed(answer, validate);
    checkAnswer(answer, operation, `#/paths/${pointerKey(found.path)}/${method}`, description, validate);
  };
}

/** A parameter ends at a slash, unless its own pattern takes one. */
function pathPattern(path: string, byMethod: ApiDescription['paths'][string]): RegExp {
  const parameters = Object.values(byMethod).flatMap((operation) => operation.parameters ?? []);
  const patternOf = (name: string) =>
    parameters.some((each) => each.in === 'path' && each.name === name && each.schema.pattern !== undefined)
      ? '.+'
      : '[^/]+';
  return new RegExp(`^${path.replace(/\{(\w+)\}/g, (_, name: string) => patternOf(name))}$`);
}

const ERROR_SCHEMAS = { openai: 'Error', messages: 'MessagesError', ollama: 'OllamaError' } as const;

/** Routes and methods that do not exist: an error, or what OPTIONS says of those that do. */
function checkUndescribed(answer: Answer, validate: Validate): void {
  const { method, path, status, body } = answer;
  if (method === 'OPTIONS' && status === 204) return;
  const title = titleOf(answer);
  assert.ok([400, 401, 403, 404, 405, 503].includes(status), `${title}: no such operation is described`);
  const shape = ERROR_SCHEMAS[errorShape(path)];
  if (method !== 'HEAD') validate(`#/components/schemas/${shape}`, JSON.parse(body), title);
}

function checkAnswer(
  answer: Answer,
  operation: OperationObject,
  pointer: string,
  description: ApiDescription,
  validate: Validate,
): void {
  const title = titleOf(answer);
  const declared = operation.responses[String(answer.status)];
  assert.ok(declared, `${title}: the status is not declared`);
  checkHeaders(answer, declared, description, title);
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? '';
  assert.ok(declared.content?.[type], `${title}: the content type '${type}' is not declared`);
  if (answer.method === 'HEAD') return;
  const content = `${pointer}/responses/${answer.status}/content/${pointerKey(type)}`;
  if (type === 'application/json') validate(`${content}/schema`, JSON.parse(answer.body), title);
  if (type === 'application/x-ndjson') {
    for (const line of answer.body.trim().split('\n')) validate(`${content}/schema`, JSON.parse(line), title);
  }
  if (type === 'text/event-stream') {
    for (const { event, data } of eventsOf(answer.body)) validate(`${content}/x-events/${event}`, data, title);
  }
}

function titleOf({ method, path, status, body }: Answer): string {
  return `${method} ${path} -> ${status} ${body.slice(0, 300)}`;
}

function checkHeaders({ headers }: Answer, declared: AnswerObject, { components }: ApiDescription, title: string) {
  const names = Object.keys(declared.headers ?? {});
  for (const name of headers.keys()) {
    assert.ok(names.includes(name) || COMMON_HEADERS.test(name), `${title}: the header ${name} is not declared`);
  }
  for (const name of names) {
    const { required, schema } = components.headers[name] ?? assert.fail(`${title}: no header ${name} is described`);
    const value = headers.get(name);
    if (value === null) assert.ok(!required, `${title}: the header ${name} is missing`);
    else assert.match(value, new RegExp(schema.pattern), `${title}: ${name}`);
  }
}

interface SseEvent {
  readonly event: string;
  readonly data: unknown;
}

function eventsOf(text: string): SseEvent[] {
  const blocks = text.split('\n\n').filter((block) => /^data: /m.test(block));
  return blocks.map((block) => {
    const data = /^data: (.*)$/m.exec(block)?.[1] ?? '';
    const event = /^event: (.*)$/m.exec(block)?.[1] ?? 'message';
    return { event, data: data === '[DONE]' ? data : JSON.parse(data) };
  });
}

type Validate = (pointer: string, value: unknown, title: string) => void;

function createValidator(description: ApiDescription): Validate {
  const ajv = new Ajv2020({ strict: false, validateSchema: false });
  ajv.addFormat('int64', true);
  ajv.addFormat('date-time', true);
  ajv.addSchema(closed(description) as object, 'api');
  const compiled = new Map<string, ValidateFunction>();
  return (pointer, value, title) => {
    const check = compiled.get(pointer) ?? ajv.compile({ $ref: `api${pointer}` });
    compiled.set(pointer, check);
    assert.ok(check(value), `${title}: ${ajv.errorsText(check.errors)}`);
  };
}

/** Clients must take fields that are new to them, so the description allows more; the tests do not. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const open = 'properties' in node && !('additionalProperties' in node);
  const children = Object.entries(node).map(([name, child]) => [name, closed(child)]);
  return { ...Object.fromEntries(children), ...(open && { additionalProperties: false }) };
}

/** A key of a JSON pointer in a URI fragment. */
function pointerKey(key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
}

/** A fetch whose answers are checked: JSON when it comes, a stream when its reader has all of it as text. */
export function checkedFetch(fetch: Fetch, check: () => (answer: Answer) => void): Fetch {
  return async (request, ...rest) => {
    const response = await fetch(request, ...rest);
    const { pathname } = new URL(request.url);
    const { status, headers } = response;
    const answer = { method: request.method, path: pathname, status, headers };
    if (!/^(text\/event-stream|application\/x-ndjson)/.test(headers.get('content-type') ?? '')) {
      check()({ ...answer, body: await response.clone().text() });
      return response;
    }
    const text = response.text.bind(response);
    const checked = async () => {
      const body = await text();
      check()({ ...answer, body });
      return body;
    };
    return Object.defineProperty(response, 'text', { value: checked });
  };
}
