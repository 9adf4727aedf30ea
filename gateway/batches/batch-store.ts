// Batches of tenants in Redis: what was asked, the status, counts, and which lines have their result. To any other tenant a batch
// does not exist.
import type { Redis } from 'ioredis';
import type { Config } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { keyOf, singleKeys } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { runScript } from '../../infra/redis/scripts.ts';

export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

const ENDED: ReadonlySet<BatchStatus> = new Set<BatchStatus>(['failed', 'completed', 'expired', 'cancelled']);

/** What was asked; it does not change. */
export interface BatchRequest {
  readonly id: string;
  readonly tenant: string;
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly outputFileId: string;
  readonly errorFileId: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Unix times in ms. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

export interface Batch extends BatchRequest {
  readonly status: BatchStatus;
  /** Unix time in ms at which it came to a status. */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly outputBytes: number;
  readonly errorBytes: number;
  /** Why it failed. */
  readonly errors: readonly BatchError[];
}

/** The result of a line. */
export interface LineResult {
  readonly line: number;
  readonly kind: 'completed' | 'failed';
  /** JSON and a line end. */
  readonly text: string;
}

export interface BatchStore {
  /** @throws DomainError `queue_full` when the tenant has too many that have not ended. */
  create(request: BatchRequest): Promise<void>;
  /** @throws DomainError `not_found`. */
  find(id: string, tenant: string): Promise<Batch>;
  /** All batches of a tenant, the newest first. */
  list(tenant: string): Promise<readonly Batch[]>;
  /** Those of all tenants that have not ended, the oldest first. */
  open(): Promise<readonly Batch[]>;
  /** Moves a batch to a status if it is in one of `from`; false if it is not. */
  move(
    id: string,
    from: readonly BatchStatus[],
    to: BatchStatus,
    fields?: Readonly<Record<string, string | number>>,
  ): Promise<boolean>;
  /** Writes the result of a line, once: false if it is there. */
  record(batch: BatchRequest, result: LineResult): Promise<boolean>;
  /** Which of `count` lines have their result. */
  done(id: string, count: number): Promise<(line: number) => boolean>;
  /** Makes or keeps this gateway the one that feeds batches; false while another one is. */
  lead(gatewayId: string, ms: number): Promise<boolean>;
  /** Lets another gateway feed. */
  resign(gatewayId: string): Promise<void>;
}

/** Kept in `redis`. */
export function createBatchStore(redis: Redis, config: Pick<Config, 'batches' | 'files'>): BatchStore {
  const ttlMs = Math.ceil(config.files.retentionSeconds * 1000);
  const read = async (id: string) => parseBatch(await askRedis(redis.hgetall(keyOf('batch', id))));
  const readAll = async (ids: readonly string[]) => (await Promise.all(ids.map(read))).filter((each) => each !== null);
  return {
    create: async (request) => {
      const { id, tenant, createdAtMs } = request;
      const args = [id, tenant, JSON.stringify(request), createdAtMs, ttlMs, config.batches.open];
      const stored = await runScript(redis, 'store-batch', [keyOf('batch', id), keyOf('batches', tenant)], args);
      if (Number(stored) === 0) throw tooMany(config.batches.open);
    },
    find: async (id, tenant) => {
      const batch = await read(id);
      if (batch?.tenant === tenant) return batch;
      throw new DomainError('not_found', `No batch found with id '${id.slice(0, 64)}'.`, { param: 'id' });
    },
    list: async (tenant) => readAll(await askRedis(redis.zrange(keyOf('batches', tenant), '0', '-1', 'REV'))),
    open: async () => readAll(await askRedis(redis.zrange(singleKeys.openBatches, '0', '-1'))),
    move: async (id, from, to, fields = {}) => {
      const args = [id, to, ENDED.has(to) ? '1' : '', from.join(' '), ...Object.entries(fields).flat()];
      return Number(await runScript(redis, 'move-batch', [keyOf('batch', id)], args)) === 1;
    },
    record: async ({ id, outputFileId, errorFileId }, { line, kind, text }) => {
      const fileId = kind === 'completed' ? outputFileId : errorFileId;
      const bytes = kind === 'completed' ? 'outputBytes' : 'errorBytes';
      const keys = [keyOf('batch', id), keyOf('batchDone', id), keyOf('fileData', fileId)];
      return Number(await runScript(redis, 'record-batch-line', keys, [line, kind, bytes, text, ttlMs])) === 1;
    },
    done: async (id) => {
      const bits = (await askRedis(redis.getBuffer(keyOf('batchDone', id)))) ?? Buffer.alloc(0);
      return (line) => ((bits[line >> 3] ?? 0) & (0x80 >> (line & 7))) !== 0;
    },
    lead: (gatewayId, ms) => lead(redis, gatewayId, ms),
    resign: async (gatewayId) => {
      const leader = await askRedis(redis.get(singleKeys.batching));
      if (leader === gatewayId) await askRedis(redis.del(singleKeys.batching));
    },
  };
}

/** Two leaders for a moment do no harm: a line's result is written once. */
async function lead(redis: Redis, gatewayId: string, ms: number): Promise<boolean> {
  const taken = await askRedis(redis.set(singleKeys.batching, gatewayId, 'PX', ms, 'NX'));
  if (taken !== null) return true;
  if ((await askRedis(redis.get(singleKeys.batching))) !== gatewayId) return false;
  await askRedis(redis.pexpire(singleKeys.batching, ms));
  return true;
}

function tooMany(limit: number): DomainError {
  const message = `A tenant may have ${limit} batches that have not ended. Wait for one, or cancel it.`;
  return new DomainError('queue_full', message, { retryAfterSeconds: 60 });
}

function parseBatch(fields: Readonly<Record<string, string>>): Batch | null {
  const { json, status, errors } = fields;
  if (json === undefined || status === undefined) return null;
  const times = Object.entries(fields).filter(([name]) => name.endsWith('At'));
  const count = (name: string) => Number(fields[name] ?? 0);
  return {
    ...(JSON.parse(json) as BatchRequest),
    status: status as BatchStatus,
    at: Object.fromEntries(times.map(([name, time]) => [name.slice(0, -'At'.length), Number(time)])),
    total: count('total'),
    completed: count('completed'),
    failed: count('failed'),
    outputBytes: count('outputBytes'),
    errorBytes: count('errorBytes'),
    errors: errors === undefined ? [] : JSON.parse(errors),
  };
}
