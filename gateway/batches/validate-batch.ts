// A new batch: its lines are checked one by one, then it runs or has failed with the lines' errors.
import { toDomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayParts } from '../parts.ts';
import { LineChecker } from './batch-line.ts';
import type { Batch, BatchError } from './batch-store.ts';
import { readLines } from './read-lines.ts';

/** Moves the batch out of `validating`. */
export async function validateBatch(parts: GatewayParts, batch: Batch): Promise<void> {
  const { count, errors } = await checkLines(parts, batch);
  if (errors.length > 0) await fail(parts, batch, errors);
  else await parts.batches.move(batch.id, ['validating'], 'in_progress', { total: count });
}

async function checkLines(parts: GatewayParts, { endpoint, inputFileId, tenant }: Batch) {
  const { limits, batches } = parts.config;
  const checker = new LineChecker(endpoint);
  const errorOf = (code: string, message: string): BatchError => ({ code, message, param: null, line: null });
  try {
    await parts.files.find(inputFileId, tenant);
    for await (const line of readLines(parts.files.read(inputFileId), limits.bodyBytes)) {
      const goOn = checker.check(line);
      if (checker.count > batches.lines)
        checker.errors.push(errorOf('too_many_lines', `A batch may have ${batches.lines} lines.`));
      if (!goOn || checker.count > batches.lines) break;
    }
  } catch (thrown) {
    const { code, message } = toDomainError(thrown);
    // Of Redis, which comes back.
    if (code === 'unavailable' || code === 'internal') throw thrown;
    checker.errors.push(errorOf(code, message));
  }
  if (checker.count === 0) checker.errors.push(errorOf('empty_file', 'The input file has no lines.'));
  return checker;
}

function fail(parts: GatewayParts, { id }: Batch, errors: readonly BatchError[]): Promise<boolean> {
  return parts.batches.move(id, ['validating'], 'failed', { errors: JSON.stringify(errors) });
}
