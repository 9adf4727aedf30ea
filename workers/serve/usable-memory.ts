// The share of a machine's memory that a model may use, and the refusal of a larger model.
import { totalmem } from 'node:os';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { kvBytesPerToken } from '../cluster/memory-slots.ts';
import { inspectModel } from '../model/inspect-model.ts';
import type { StoredModel } from '../model/stored-model.ts';

/** Weights may take this part of a machine's memory: the rest is the system's, the processes' and the files'. */
const MEMORY_SHARE = 0.8;

/** Bytes; a container may have less than the machine. */
export function usableMemory(): number {
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return Math.floor(total * MEMORY_SHARE);
}

/** Throws DomainError `bad_config` with all sizes when a whole model and its KV cache exceed `memoryBytes`. */
export function refuseTooLarge(model: StoredModel, kvTokens: number, memoryBytes: number): void {
  const weights = inspectModel(model, 1).bytes.total;
  const cache = kvTokens * kvBytesPerToken(model);
  if (weights + cache <= memoryBytes) return;
  throw new DomainError(
    'bad_config',
    `The model's weights need ${gigabytes(weights)} and a KV cache of ${kvTokens} tokens ${gigabytes(cache)}, but only ` +
      `${gigabytes(memoryBytes)} of this machine's memory may be used. Share the experts among several machines (\`conclave node\`).`,
  );
}

function gigabytes(bytes: number): string {
  return `${Number((bytes / 1e9).toPrecision(3))} GB`;
}
