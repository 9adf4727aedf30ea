// Query string -> the parameters of a zod schema. Parameters that it does not list are refused by name, as in bodies.
import type { z } from '@hono/zod-openapi';
import type { GatewayContext } from '../environment.ts';
import { parseBody } from './parse-body.ts';

/** @throws DomainError `invalid_request` naming the parameter, also for one that is given twice. */
export function parseQuery<S extends z.ZodType>(schema: S, c: GatewayContext): z.infer<S> {
  const given = Object.entries(c.req.queries()).map(([name, values]) => [
    name,
    values.length === 1 ? values[0] : values,
  ]);
  return parseBody(schema, Object.fromEntries(given));
}
