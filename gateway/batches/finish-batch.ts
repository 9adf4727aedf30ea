// The end of a batch: lines that were not run in time get an error, then the files of results appear and the status says how it ended.
import type { FileStore } from '../files/file-store.ts';
import type { GatewayParts } from '../parts.ts';
import { BatchFeed } from './batch-feed.ts';
import type { Batch, BatchError } from './batch-store.ts';
import { expiredLine } from './run-line.ts';

type End = 'completed' | 'expired' | 'cancelled';

/** May be repeated after it was interrupted. */
export async function finishBatch(parts: GatewayParts, batch: Batch, end: End): Promise<void> {
  if (end === 'completed') await parts.batches.move(batch.id, ['in_progress'], 'finalizing');
  if (end === 'expired') await failTheRest(parts, batch);
  const ended = await parts.batches.find(batch.id, batch.tenant);
  await keepResults(parts, ended);
  const isShort = end === 'completed' && ended.completed + ended.failed < ended.total;
  const how = isShort ? ({ status: 'failed', fields: { errors: JSON.stringify([LOST]) } } as const) : { status: end };
  await parts.batches.move(batch.id, ['in_progress', 'finalizing', 'cancelling'], how.status, how.fields);
}

const LOST: BatchError = {
  code: 'input_file_lost',
  message: 'The input file was deleted or has expired before all of its lines had run.',
  param: 'input_file_id',
  line: null,
};

async function failTheRest({ batches, files, config }: GatewayParts, batch: Batch): Promise<void> {
  const feed = new BatchFeed(batch, files, await batches.done(batch.id, batch.total), config.limits.bodyBytes);
  for (let line = await feed.peek(); line !== null; line = await feed.peek()) {
    feed.start(line);
    await batches.record(batch, expiredLine(batch, line));
    feed.end(line, false);
  }
}

async function keepResults({ files, clock, config }: GatewayParts, batch: Batch): Promise<void> {
  const lifeMs = Math.ceil(config.files.retentionSeconds * 1000);
  await keep(files, batch, { id: batch.outputFileId, bytes: batch.outputBytes, name: 'output' }, clock(), lifeMs);
  await keep(files, batch, { id: batch.errorFileId, bytes: batch.errorBytes, name: 'error' }, clock(), lifeMs);
}

interface Results {
  readonly id: string;
  readonly bytes: number;
  readonly name: string;
}

async function keep(files: FileStore, batch: Batch, { id, bytes, name }: Results, nowMs: number, lifeMs: number) {
  if (bytes === 0) return;
  const filename = `${batch.id}_${name}.jsonl`;
  const times = { createdAtMs: nowMs, expiresAtMs: nowMs + lifeMs };
  await files.complete({ id, tenant: batch.tenant, bytes, ...times, filename, purpose: 'batch_output' });
}
