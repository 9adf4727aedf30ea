// OpenAI's object of a batch, and its schema.
import { z } from '@hono/zod-openapi';
import type { Batch, BatchStatus } from './batch-store.ts';

const count = z.int().min(0);
const seconds = z.int().min(0).nullable().describe('Unix time in seconds.');

const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  param: z.string().nullable(),
  line: z.int().min(1).nullable(),
});

export const batchSchema = z
  .object({
    id: z.string(),
    object: z.literal('batch'),
    endpoint: z.string(),
    errors: z.object({ object: z.literal('list'), data: z.array(errorSchema) }).nullable(),
    input_file_id: z.string(),
    completion_window: z.literal('24h'),
    status: z.enum([
      'validating',
      'failed',
      'in_progress',
      'finalizing',
      'completed',
      'expired',
      'cancelling',
      'cancelled',
    ]),
    output_file_id: z.string().nullable().describe('When it has ended, if a request has succeeded.'),
    error_file_id: z.string().nullable().describe('When it has ended, if a request has failed.'),
    created_at: z.int().min(0),
    expires_at: z.int().min(0),
    in_progress_at: seconds,
    finalizing_at: seconds,
    completed_at: seconds,
    failed_at: seconds,
    expired_at: seconds,
    cancelling_at: seconds,
    cancelled_at: seconds,
    request_counts: z.object({ total: count, completed: count, failed: count }),
    metadata: z.record(z.string(), z.string()).nullable(),
  })
  .openapi('Batch');

export const batchListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(batchSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .openapi('BatchList');

/** OpenAI's object. */
export function batchObject(batch: Batch) {
  const at = (status: BatchStatus) => toSeconds(batch.at[status]);
  const hasResults = ['completed', 'failed', 'expired', 'cancelled'].includes(batch.status);
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    errors: batch.errors.length === 0 ? null : { object: 'list', data: batch.errors },
    input_file_id: batch.inputFileId,
    completion_window: '24h',
    status: batch.status,
    output_file_id: hasResults && batch.outputBytes > 0 ? batch.outputFileId : null,
    error_file_id: hasResults && batch.errorBytes > 0 ? batch.errorFileId : null,
    created_at: Math.floor(batch.createdAtMs / 1000),
    expires_at: Math.floor(batch.expiresAtMs / 1000),
    in_progress_at: at('in_progress'),
    finalizing_at: at('finalizing'),
    completed_at: at('completed'),
    failed_at: at('failed'),
    expired_at: at('expired'),
    cancelling_at: at('cancelling'),
    cancelled_at: at('cancelled'),
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    metadata: batch.metadata,
  };
}

function toSeconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}
