// Paging parameters of list endpoints.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext } from '../environment.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** `limit` (1..200, default 50) and `after`, a cursor that the previous page gave. @throws DomainError `invalid_request`. */
export function readPage(c: GatewayContext): { readonly limit: number; readonly after: string | null } {
  const text = c.req.query('limit') ?? String(DEFAULT_LIMIT);
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return { limit, after: c.req.query('after') ?? null };
  const message = `Invalid 'limit': expected an integer of 1 to ${MAX_LIMIT}.`;
  throw new DomainError('invalid_request', message, { param: 'limit' });
}
