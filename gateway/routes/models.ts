// GET /v1/models and /v1/models/:id: what the caller's tenant may use now.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { admitReader, findModel, mayUseModel } from '../request/admit-generation.ts';

interface ListedModel {
  readonly name: string;
  readonly created: number;
  readonly maxContext: number;
}

/** Adds the model endpoints. */
export function addModelRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  app.get('/v1/models', async (c) => {
    const { policy } = await admitReader(parts, c);
    const models = parts.models.list().filter((model) => mayUseModel(policy, model.name));
    return c.json({ object: 'list', data: models.map(modelObject) });
  });
  // Model names may hold slashes, as `organisation/model` does.
  app.get('/v1/models/:id{.+}', async (c) => {
    const { policy } = await admitReader(parts, c);
    return c.json(modelObject(await findModel(parts, policy, c.req.param('id'))));
  });
}

function modelObject({ name, created, maxContext }: ListedModel) {
  return { id: name, object: 'model', created, owned_by: 'conclave', context_length: maxContext };
}
