// `/`: redirects browsers to the admin pages, and tells other clients where the API is.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { publicPath } from '../public-address.ts';

/** Adds `/`, which is open. */
export function addHomeRoute(app: OpenAPIHono<GatewayEnv>, { config }: GatewayParts): void {
  const api = publicPath(config, '/v1');
  const description = publicPath(config, '/openapi.json');
  app.get('/', (c) => {
    c.header('vary', 'accept');
    if (isPageVisit(c)) return c.redirect(publicPath(config, '/admin'), 303);
    return c.json({ name: 'Conclave', api, description });
  });
}

/** Whether a browser navigates here, rather than a program or a page's script calling. */
export function isPageVisit(c: GatewayContext): boolean {
  return c.req.method === 'GET' && (c.req.header('accept') ?? '').includes('text/html');
}
