// GET /v1/models and /v1/models/:id: what the caller's tenant may use now.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { GatewayEnv } from '../environment.ts';
import { jsonAnswer, listOf } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import type { GatewayParts } from '../parts.ts';
import { admitReader, findModel, mayUseModel } from '../request/admit-generation.ts';
import { modelSchema } from './completion-answers.ts';

interface ListedModel {
  readonly name: string;
  readonly created: number;
  readonly maxContext: number;
}

const LIST: RouteDeclaration = {
  method: 'get',
  path: '/v1/models',
  operationId: 'listModels',
  summary: 'Models that the tenant may use and that are being served.',
  access: 'tenant',
  responses: { 200: jsonAnswer('The models.', listOf(modelSchema)) },
};

const GET: RouteDeclaration = {
  method: 'get',
  path: '/v1/models/{id}',
  operationId: 'getModel',
  summary: 'One model. Its name may contain slashes.',
  access: 'tenant',
  responses: { 200: jsonAnswer('The model.', modelSchema) },
  errors: ['model_not_found'],
  wideParameter: 'id',
};

/** Adds the model endpoints. */
export function addModelRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  addRoute(app, LIST, async (c) => {
    const { policy } = await admitReader(parts, c);
    const models = parts.models.list().filter((model) => mayUseModel(policy, model.name));
    return c.json({ object: 'list', data: models.map(modelObject) });
  });
  addRoute(app, GET, async (c) => {
    const { policy } = await admitReader(parts, c);
    return c.json(modelObject(await findModel(parts, policy, c.req.param('id') ?? '')));
  });
}

function modelObject({ name, created, maxContext }: ListedModel) {
  return { id: name, object: 'model', created, owned_by: 'conclave', context_length: maxContext };
}
