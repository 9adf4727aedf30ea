// Routes for monitoring: /healthz (liveness), /readyz (readiness, with reasons) and /metrics.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { requireScope } from '../auth/principal.ts';
import type { GatewayEnv } from '../environment.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import type { GatewayParts } from '../parts.ts';

const liveSchema = z.object({ status: z.literal('ok') }).openapi('Live');
const readySchema = z.object({ status: z.literal('ready') }).openapi('Ready');
const unreadySchema = z
  .object({ status: z.literal('not ready'), reasons: z.array(z.string()).min(1) })
  .openapi('NotReady');

/** Adds the two open routes. */
export function addHealthRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  const healthz: RouteDeclaration = {
    method: 'get',
    path: '/healthz',
    operationId: 'getHealth',
    summary: 'Liveness: the process answers.',
    access: 'open',
    responses: { 200: jsonAnswer('It does.', liveSchema) },
  };
  const readyz: RouteDeclaration = {
    method: 'get',
    path: '/readyz',
    operationId: 'getReadiness',
    summary: 'Readiness, or the reasons why the gateway cannot serve.',
    access: 'open',
    responses: { 200: jsonAnswer('It can.', readySchema), 503: jsonAnswer('It cannot.', unreadySchema) },
  };
  addRoute(app, healthz, (c) => c.json({ status: 'ok' }));
  addRoute(app, readyz, async (c) => {
    const reasons = await parts.unreadyReasons();
    return reasons.length === 0 ? c.json({ status: 'ready' }) : c.json({ status: 'not ready', reasons }, 503);
  });
}

/** Adds /metrics, for holders of admin:read. */
export function addMetricsRoute(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  const metrics: RouteDeclaration = {
    method: 'get',
    path: '/metrics',
    operationId: 'getMetrics',
    summary: 'Prometheus metrics; needs the scope admin:read.',
    access: 'service',
    responses: { 200: { description: 'Text format.', content: { 'text/plain': { schema: z.string() } } } },
  };
  addRoute(app, metrics, async (c) => {
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
