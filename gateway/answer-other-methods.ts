// Answers 405 with `allow` for a known path with an unsupported method, and OPTIONS with the supported methods. The app's own
// router determines the methods. Runs before authentication: the routes are public, since they are documented.
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
    const message = `Method ${method} is not allowed on ${path.slice(0, 128)}: use one of ${allowed.join(', ')}.`;
    throw new DomainError('method_not_allowed', message, { allowedMethods: allowed });
  };
}

/** Empty for an unknown path. */
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
