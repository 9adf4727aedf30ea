// Declared answers that several routes share: one JSON object, a list, a page of a list.
import { type RouteConfig, z } from '@hono/zod-openapi';
import { type HeaderName, headerRefs } from './response-headers.ts';

/** One answer of a route, of one status. */
export type DeclaredAnswer = Exclude<RouteConfig['responses'][string], { $ref: string }>;

/** A JSON answer, with headers in addition to the common ones. */
export function jsonAnswer(
  description: string,
  schema: z.ZodType,
  headers: readonly HeaderName[] = [],
): DeclaredAnswer {
  return { description, headers: headerRefs(headers), content: { 'application/json': { schema } } };
}

/** OpenAI's list object. */
export function listOf<S extends z.ZodType>(item: S) {
  return z.object({ object: z.literal('list'), data: z.array(item) });
}

/** A list with the cursor of its next page, null on the last one. */
export function pageOf<S extends z.ZodType>(item: S) {
  return listOf(item).extend({
    next: z.string().nullable().describe('The `after` of the next page; null on the last one.'),
  });
}
