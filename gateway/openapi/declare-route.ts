// A route is declared once: method, path, what it takes, what it answers. The declaration is published and mounted. Bodies, queries
// and headers are checked by the handlers, with the schemas of the declaration: the library's own validators read bodies without
// our limits, and before the credential has been checked (decision 0114).
import { createRoute, type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { errorShape } from '../errors/error-answer.ts';
import type { DeclaredAnswer } from './answers.ts';
import { errorResponses } from './error-responses.ts';
import { EVERY_ANSWER, type HeaderName, headerRefs, RATE_LIMIT } from './response-headers.ts';

export interface RouteDeclaration {
  readonly method: RouteConfig['method'];
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** The callers that it accepts: anyone, a tenant, an operator. */
  readonly access: keyof typeof ACCESS;
  /** Without `params` those of the path are any text. */
  readonly request?: NonNullable<RouteConfig['request']>;
  /** Answers other than errors. */
  readonly responses: Readonly<Record<string, DeclaredAnswer>>;
  /** Error codes in addition to those of every route of its kind. */
  readonly errors?: readonly ErrorCode[];
  /** A path parameter that may hold slashes, as names of models and tenants do. */
  readonly wideParameter?: string;
}

/** Headers that are too many are a 400 everywhere; a credential may be wrong or lack a scope, Redis may be away. */
const GUARDED: readonly ErrorCode[] = [
  'invalid_request',
  'invalid_api_key',
  'insufficient_scope',
  'internal',
  'unavailable',
];

const ACCESS = {
  open: { tag: 'service', security: [], errors: ['invalid_request', 'internal'], headers: EVERY_ANSWER },
  service: { tag: 'service', security: ['key'], errors: GUARDED, headers: EVERY_ANSWER },
  tenant: { tag: 'api', security: ['key'], errors: GUARDED, headers: [...EVERY_ANSWER, ...RATE_LIMIT] },
  operator: {
    tag: 'administration',
    security: ['key', 'session'],
    errors: GUARDED,
    headers: EVERY_ANSWER,
  },
} as const satisfies Readonly<Record<string, Access>>;

interface Access {
  readonly tag: string;
  /** Any one of these. */
  readonly security: readonly string[];
  readonly errors: readonly ErrorCode[];
  readonly headers: readonly HeaderName[];
}

type Answer = Response | Promise<Response>;

/** Publishes the route and mounts its handler. */
export function addRoute(
  app: OpenAPIHono<GatewayEnv>,
  declaration: RouteDeclaration,
  handler: (c: GatewayContext) => Answer,
): void {
  const route = toRoute(declaration);
  const { wideParameter } = declaration;
  const path = route.getRoutingPath();
  app.openAPIRegistry.registerPath(route);
  app.on(route.method, wideParameter === undefined ? path : path.replace(`:${wideParameter}`, '$&{.+}'), handler);
}

function toRoute(declaration: RouteDeclaration) {
  const { access, errors = [], request, responses, wideParameter, ...rest } = declaration;
  const { tag, security, errors: common, headers }: Access = ACCESS[access];
  const all = Object.entries({ ...errorResponses([...common, ...errors], errorShape(rest.path)), ...responses });
  const framed = all.map(([status, answer]) => [
    status,
    { ...answer, headers: { ...headerRefs(headers), ...answer.headers } },
  ]);
  return createRoute({
    ...rest,
    request: { ...pathParameters(rest.path, wideParameter), ...request },
    tags: [tag],
    security: security.map((name) => ({ [name]: [] })),
    responses: Object.fromEntries(framed),
  });
}

function pathParameters(path: string, wide: string | undefined): { readonly params?: z.ZodObject } {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  if (names.length === 0) return {};
  const fields = names.map((name) => [name, name === wide ? wideParameterSchema : z.string()]);
  return { params: z.object(Object.fromEntries(fields)) };
}

const wideParameterSchema = z.string().regex(/^.+$/).describe('May contain slashes.');
