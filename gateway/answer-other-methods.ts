// A path that exists, asked for with a method that it lacks: 405 and the methods it has; OPTIONS asks for just those. Which paths
// exist is asked of the app's own router. Comes before authentication: which routes there are is in the documentation.
import type { Hono, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { DomainError } from '../infra/errors/domain-error.ts';
import type { GatewayEnv } from './environment.ts';

/** The middleware for `app`, whose routes may be added later. */
export function answerOtherMethods(app: Hono<GatewayEnv>): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const { method, path } = c.req;
    if (matchedRoutes(c).some(isHandler)) return next();
    // What remains of `OPTIONS *`, a question about the whole server (RFC 9110 section 9.3.7).
    const asksOfServer = method === 'OPTIONS' && path === '/';
    const allowed = asksOfServer ? withImplied(methodsOf(app)) : allowedMethods(app, path);
    if (allowed.length === 0) return next();
    if (method === 'OPTIONS') return c.body(null, 204, { allow: allowed.join(', ') });
    const message = `Not allowed to ${method} on ${path.slice(0, 128)}: expected one of ${allowed.join(', ')}.`;
    throw new DomainError('method_not_allowed', message, { allowedMethods: allowed });
  };
}

/** None for a path that does not exist. */
function allowedMethods(app: Hono<GatewayEnv>, path: string): readonly string[] {
  return withImplied(
    methodsOf(app).filter((method) => app.router.match(method, path)[0].some(([[, route]]) => isHandler(route))),
  );
}

function methodsOf(app: Hono<GatewayEnv>): readonly string[] {
  return [...new Set(app.routes.filter(isHandler).map(({ method }) => method))];
}

/** Hono answers HEAD by the handler of GET. */
function withImplied(methods: readonly string[]): readonly string[] {
  if (methods.length === 0) return [];
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
}

/** Middleware is registered for all methods. */
function isHandler({ method }: { readonly method: string }): boolean {
  return method !== 'ALL';
}
