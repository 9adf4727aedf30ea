// Shared parts of the admin API's route declarations.
import type { z } from '@hono/zod-openapi';
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import type { RouteDeclaration } from '../openapi/declare-route.ts';

interface Reading {
  readonly operationId: string;
  readonly summary: string;
  readonly answer: z.ZodType;
  readonly query?: z.ZodObject;
  readonly errors?: readonly ErrorCode[];
}

/** A route that shows something. `path` is below /admin/api. */
export function readingRoute(
  path: string,
  { operationId, summary, answer, query, errors = [] }: Reading,
): RouteDeclaration {
  return {
    method: 'get',
    path: `/admin/api${path}`,
    operationId,
    summary,
    access: 'operator',
    ...(query && { request: { query } }),
    responses: { 200: jsonAnswer('The current state.', answer) },
    errors,
  };
}

interface Change extends Omit<Reading, 'query'> {
  readonly method: 'post' | 'patch' | 'delete';
  readonly body?: z.ZodType;
  /** Default: 200. */
  readonly status?: 200 | 201;
  readonly wideParameter?: string;
}

const BODY_ERRORS: readonly ErrorCode[] = ['payload_too_large', 'unsupported_media_type'];

/** A route that changes something; needs admin:write. */
export function changingRoute(path: string, change: Change): RouteDeclaration {
  const { method, operationId, summary, answer, body, status = 200, errors = [], wideParameter } = change;
  return {
    method,
    path: `/admin/api${path}`,
    operationId,
    summary,
    access: 'operator',
    ...(body && { request: { body: { required: true, content: { 'application/json': { schema: body } } } } }),
    responses: { [status]: jsonAnswer('The state after the change.', answer) },
    errors: [...errors, ...(body === undefined ? [] : BODY_ERRORS)],
    ...(wideParameter !== undefined && { wideParameter }),
  };
}
