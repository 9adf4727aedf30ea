// The gateway as a fetch handler, made of injected parts. In: HTTP requests. Out: HTTP responses in OpenAI's shapes. Opens no
// connection and reads no file; `main.ts` puts the real parts in and listens.
import { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { getPath } from 'hono/utils/url';
import { DomainError } from '../infra/errors/domain-error.ts';
import { authenticateAdmin } from './admin/authenticate-admin.ts';
import { JOB_BOARD_PATH } from './admin/job-board.ts';
import { answerOtherMethods } from './answer-other-methods.ts';
import { azurePath } from './apis/azure-paths.ts';
import { createGenerations } from './apis/generations.ts';
import { addMessagesRoutes } from './apis/messages/routes.ts';
import { addOllamaRoutes } from './apis/ollama/routes.ts';
import { addResponsesRoutes } from './apis/responses/routes.ts';
import { readCredential } from './auth/authenticate.ts';
import type { Caller } from './auth/principal.ts';
import { addBatchRoutes } from './batches/routes.ts';
import { allowOrigins } from './cors.ts';
import type { GatewayContext, GatewayEnv } from './environment.ts';
import { errorAnswer } from './errors/error-answer.ts';
import { errorHeaders, httpStatus, thrownToDomainError } from './errors/error-to-http.ts';
import { addFileRoutes } from './files/routes.ts';
import type { GatewayParts } from './parts.ts';
import { publicPath } from './public-address.ts';
import { makeHttpRequestId, readClientRequestId } from './request/http-request-id.ts';
import { readAhead } from './request/read-ahead.ts';
import { addGroupAdminRoutes } from './routes/admin-groups.ts';
import { addQueueAdminRoutes } from './routes/admin-queues.ts';
import { addTenantAdminRoutes } from './routes/admin-tenants.ts';
import { addGenerationRoutes } from './routes/generations.ts';
import { addHealthRoutes, addMetricsRoute } from './routes/health.ts';
import { addHomeRoute } from './routes/home.ts';
import { addLoginRoutes } from './routes/login.ts';
import { addModelRoutes } from './routes/models.ts';
import { addOpenApiRoute } from './routes/openapi.ts';
import { addStreamRoutes } from './routes/streams.ts';
import { addTokenizationRoutes } from './routes/tokenization.ts';

type App = OpenAPIHono<GatewayEnv>;

/** Where tenants call. */
const API_PATHS = ['/v1/*', '/api/*', '/openai/*'] as const;

/** Builds the app. Routes registered before `authenticateCaller` are open: health, `/` and the sign-in pages. */
export function createApp(parts: GatewayParts): App {
  const app: App = new OpenAPIHono<GatewayEnv>({ getPath: (request) => azurePath(getPath(request)) });
  app.onError((thrown, c) => refuse(parts, c, thrown));
  app.notFound((c) => refuse(parts, c, unknownRoute(c)));
  app.use(frameRequest(parts));
  const { origins } = parts.config.cors;
  if (origins.length > 0) for (const paths of API_PATHS) app.use(paths, allowOrigins(origins));
  app.use(refuseManyHeaders(parts.config.limits.headers));
  app.use(answerOtherMethods(app));
  addHealthRoutes(app, parts);
  addHomeRoute(app, parts);
  addLoginRoutes(app, parts);
  for (const paths of API_PATHS) app.use(paths, readAhead(parts.config.limits));
  app.use('/admin/*', authenticateAdmin(parts));
  app.use(authenticateCaller(parts));
  addAdmin(app, parts);
  const generations = createGenerations(parts);
  addGenerationRoutes(app, parts, generations);
  addMessagesRoutes(app, parts, generations);
  addResponsesRoutes(app, parts, generations);
  addOllamaRoutes(app, parts, generations);
  addFileRoutes(app, parts);
  addBatchRoutes(app, parts);
  addStreamRoutes(app, parts);
  addModelRoutes(app, parts);
  addTokenizationRoutes(app, parts);
  addMetricsRoute(app, parts);
  addOpenApiRoute(app);
  return app;
}

/** Wraps every request: request id, security headers, access log and metrics. */
function frameRequest(parts: GatewayParts): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const startedAtMs = parts.clock();
    const requestId = makeHttpRequestId(parts.random);
    c.set('startedAtMs', startedAtMs);
    c.set('requestId', requestId);
    await next();
    const durationMs = parts.clock() - startedAtMs;
    // Not before, when nothing waits for the client yet; and not by c.header, which would build the response again and with it
    // the stream's reader.
    // Anthropic's clients read `request-id`.
    const headers = {
      'x-request-id': requestId,
      'request-id': requestId,
      ...SECURITY_HEADERS,
      'openai-processing-ms': String(durationMs),
    };
    if (c.res.headers.has('access-control-allow-origin')) headers['cross-origin-resource-policy'] = 'cross-origin';
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
    report(parts, c, durationMs);
  };
}

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // No other site gets our addresses. With `no-referrer` browsers would send `origin: null` along with our own forms.
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // What the pages below /admin may load and where their forms may go.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
    "connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'",
};

function refuseManyHeaders(limit: number): MiddlewareHandler {
  return async (c, next) => {
    const count = [...c.req.raw.headers.keys()].length;
    if (count > limit)
      throw new DomainError('invalid_request', `The request has more than ${limit} headers. Send fewer.`);
    await next();
  };
}

/** Paths polled every few seconds by monitoring, which would drown out everything else in the log. */
const QUIET_ROUTES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

function report(parts: GatewayParts, c: GatewayContext, durationMs: number): void {
  const route = routeOf(c);
  const { method } = c.req;
  const { status } = c.res;
  const principal = c.get('principal') as GatewayEnv['Variables']['principal'] | undefined;
  const who = { tenant: principal?.tenant, subject: principal?.subject };
  parts.metrics.request(route, status, durationMs / 1000);
  const clientRequestId = readClientRequestId((name) => c.req.header(name));
  const ids = { requestId: c.get('requestId'), ...(clientRequestId && { clientRequestId }) };
  const line = { ...ids, method, route, status, durationMs, ...who, ...c.get('generation') };
  if (QUIET_ROUTES.has(route)) parts.log.debug(line, 'request');
  else parts.log.info(line, 'request');
}

/** The pattern of the handler, not of the middleware around it, which matches everything. */
function routeOf(c: GatewayContext): string {
  return matchedRoutes(c).findLast(({ path }) => !path.endsWith('*'))?.path ?? 'none';
}

function authenticateCaller(parts: GatewayParts): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const known = c.get('principal') as GatewayEnv['Variables']['principal'] | undefined;
    if (known === undefined) {
      const { principal, policy } = await callerOf(parts, c);
      c.set('principal', principal);
      c.set('policy', policy);
    }
    await next();
  };
}

/** `c.env` is undefined for requests that no server has passed on. */
function callerOf(parts: GatewayParts, c: GatewayContext): Promise<Caller> | Caller {
  const internal = (c.env as GatewayEnv['Bindings'] | undefined)?.internalCaller;
  return (
    internal ??
    parts.authenticator(
      readCredential((name) => c.req.header(name)),
      parts.clock(),
    )
  );
}

function addAdmin(app: App, parts: GatewayParts): void {
  addQueueAdminRoutes(app, parts);
  addGroupAdminRoutes(app, parts);
  addTenantAdminRoutes(app, parts);
  const refreshBoard: MiddlewareHandler = async (_, next) => {
    await parts.jobBoard.refresh();
    await next();
  };
  app.get('/admin', (c) => c.redirect(publicPath(parts.config, JOB_BOARD_PATH), 303));
  // Hono's `/x/*` also matches `/x`.
  app.use(`${JOB_BOARD_PATH}/*`, refreshBoard);
  app.route(JOB_BOARD_PATH, parts.jobBoard.app);
}

function unknownRoute(c: GatewayContext): DomainError {
  return new DomainError('not_found', `Invalid URL (${c.req.method} ${c.req.path.slice(0, 128)})`);
}

/** The only place where an error becomes a response. */
function refuse(parts: GatewayParts, c: GatewayContext, thrown: unknown): Response {
  const error = thrownToDomainError(thrown);
  const status = httpStatus(error.code);
  parts.metrics.error('gateway', error.code);
  if (status >= 500) parts.log.error({ requestId: c.get('requestId'), err: error }, 'request failed');
  return c.json(
    errorAnswer(c.req.path, error, c.get('requestId')),
    status as ContentfulStatusCode,
    errorHeaders(error),
  );
}
