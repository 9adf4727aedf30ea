// /openapi.json, from the declarations that routes were mounted by.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { SESSION_COOKIE } from '../auth/sessions.ts';
import type { GatewayEnv } from '../environment.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import { registerEvents } from '../openapi/event-stream.ts';
import { registerHeaders } from '../openapi/response-headers.ts';

const DESCRIPTION: RouteDeclaration = {
  method: 'get',
  path: '/openapi.json',
  operationId: 'getDescription',
  summary: 'This description.',
  access: 'service',
  responses: { 200: jsonAnswer('OpenAPI 3.1.', z.object({ openapi: z.literal('3.1.0') }).catchall(z.unknown())) },
};

const INFO = {
  title: 'Conclave',
  version: '1',
  description: 'OpenAI-compatible API and its administration. The pages for browsers below /admin are not listed.',
};

/** Adds the route, to be called when all others are there. */
export function addOpenApiRoute(app: OpenAPIHono<GatewayEnv>): void {
  registerComponents(app);
  let description: object | undefined;
  addRoute(app, DESCRIPTION, (c) => {
    description ??= describeApi(app);
    return c.json(description);
  });
}

/** What /openapi.json answers. */
export function describeApi(app: OpenAPIHono<GatewayEnv>) {
  return app.getOpenAPI31Document({ openapi: '3.1.0', info: INFO, tags: TAGS, servers: [{ url: '/' }] });
}

const TAGS = [
  { name: 'api', description: "OpenAI's API; requires the scope chat." },
  { name: 'administration', description: 'Reading requires the scope admin:read, changing requires admin:write.' },
  { name: 'service', description: 'For monitoring.' },
];

function registerComponents({ openAPIRegistry: registry }: OpenAPIHono<GatewayEnv>): void {
  const bearer = 'An API key, or a JWT of a configured issuer.';
  registry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer', description: bearer });
  registry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: SESSION_COOKIE,
    description: 'The session of a signed-in browser; changes must come from pages of this gateway.',
  });
  registerHeaders(registry);
  registerEvents(registry);
}
