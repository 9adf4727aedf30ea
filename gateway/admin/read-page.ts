// Paging parameters of list endpoints, and of lists with filters of their own.
import { z } from '@hono/zod-openapi';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

export const pageFields = {
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  after: z.string().optional().describe('Cursor: the `next` of the previous page.'),
};

export const pageQuerySchema = z.strictObject(pageFields);
