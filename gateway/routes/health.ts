// The routes that machines ask: /healthz (the process answers), /readyz (it can serve, or why not) and /metrics.
import type { OpenAPIHono } from '@hono/zod-openapi';
import { requireScope } from '../auth/principal.ts';
import type { GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';

/** Adds the two open routes. */
export function addHealthRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    const reasons = await parts.unreadyReasons();
    return reasons.length === 0 ? c.json({ status: 'ready' }) : c.json({ status: 'not ready', reasons }, 503);
  });
}

/** Adds /metrics, for holders of admin:read. */
export function addMetricsRoute(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  app.get('/metrics', async (c) => {
    requireScope(c.get('principal'), 'admin:read');
    // Without Redis the gateway's own numbers are still true.
    const { nodes, queues } = parts.operations;
    const [reports, views] = await Promise.all([nodes().catch(() => []), queues().catch(() => [])]);
    parts.metrics.workers(reports);
    parts.metrics.queues(views);
    const { contentType, text } = await parts.metrics.render();
    return c.body(text, 200, { 'content-type': contentType });
  });
}
