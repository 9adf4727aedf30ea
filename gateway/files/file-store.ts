// Files of tenants in Redis, as lists of chunks (decision 0182). Each belongs to a tenant, expires, and counts against the tenant's
// bytes. To any other tenant a file does not exist.
import type { Redis } from 'ioredis';
import type { Config } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { runScript } from '../../infra/redis/scripts.ts';

export interface StoredFile {
  readonly id: string;
  readonly tenant: string;
  readonly bytes: number;
  /** Unix times in ms. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly filename: string;
  readonly purpose: 'batch' | 'batch_output';
}

export interface FileStore {
  /** Adds bytes to a file that is not complete yet; what never is expires within an hour. */
  append(id: string, chunk: Uint8Array): Promise<void>;
  /** Completes a file. @throws DomainError `payload_too_large` when the tenant has no room for it; it is deleted then. */
  complete(file: StoredFile): Promise<void>;
  /** Deletes what was appended to a file that is not completed. */
  abandon(id: string): Promise<void>;
  /** @throws DomainError `not_found`. */
  find(id: string, tenant: string): Promise<StoredFile>;
  /** All files of a tenant, the newest first. */
  list(tenant: string): Promise<readonly StoredFile[]>;
  read(id: string): AsyncIterable<Uint8Array>;
  /** @throws DomainError `not_found`. */
  remove(id: string, tenant: string): Promise<void>;
}

const UNFINISHED_MS = 3_600_000;
const CHUNKS_A_READ = 64;

/** Kept in `redis`. */
export function createFileStore(redis: Redis, { tenantBytes }: Config['files']): FileStore {
  const find = async (id: string): Promise<StoredFile | null> => {
    const json = await askRedis(redis.hget(keyOf('file', id), 'json'));
    return json === null ? null : JSON.parse(json);
  };
  const keysOf = (id: string, tenant: string) => [
    keyOf('file', id),
    keyOf('fileData', id),
    keyOf('files', tenant),
    keyOf('fileSizes', tenant),
  ];
  return {
    append: async (id, chunk) => {
      const key = keyOf('fileData', id);
      // At once: a gateway that dies in between would leave bytes that never expire.
      await askRedis(redis.multi().rpush(key, Buffer.from(chunk)).pexpire(key, UNFINISHED_MS).exec());
    },
    complete: async (file) => {
      const { id, tenant, bytes, createdAtMs, expiresAtMs } = file;
      // What a batch has made is kept in any case.
      const cap = file.purpose === 'batch' ? tenantBytes : '';
      const args = [id, tenant, JSON.stringify(file), bytes, expiresAtMs - createdAtMs, cap];
      if (Number(await runScript(redis, 'store-file', keysOf(id, tenant), args)) === 0) throw noRoom(tenantBytes);
    },
    abandon: async (id) => void (await askRedis(redis.del(keyOf('fileData', id)))),
    find: async (id, tenant) => {
      const file = await find(id);
      if (file?.tenant === tenant) return file;
      throw noFile(id);
    },
    list: async (tenant) => {
      const ids = await askRedis(redis.zrange(keyOf('files', tenant), '0', '-1', 'REV'));
      const found = await Promise.all(ids.map(find));
      return found.filter((file) => file !== null);
    },
    read: (id) => readChunks(redis, id),
    remove: async (id, tenant) => {
      if (Number(await runScript(redis, 'delete-file', keysOf(id, tenant), [id, tenant])) === 0) throw noFile(id);
    },
  };
}

async function* readChunks(redis: Redis, id: string): AsyncGenerator<Uint8Array> {
  for (let first = 0; ; first += CHUNKS_A_READ) {
    const last = String(first + CHUNKS_A_READ - 1);
    const chunks = await askRedis(redis.lrangeBuffer(keyOf('fileData', id), String(first), last));
    if (chunks.length > 0) yield Buffer.concat(chunks);
    if (chunks.length < CHUNKS_A_READ) return;
  }
}

/** The error for a file that does not exist, or is another tenant's. */
export function noFile(id: string): DomainError {
  return new DomainError('not_found', `No such File object: ${id.slice(0, 64)}`, { param: 'id' });
}

function noRoom(tenantBytes: number): DomainError {
  const message = `The files of a tenant may have ${tenantBytes} bytes together. Delete some, or send a smaller one.`;
  return new DomainError('payload_too_large', message, { param: 'file' });
}
