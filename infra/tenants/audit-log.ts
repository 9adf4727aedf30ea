// The audit log: one entry per mutating call of the admin API and the command line, in a capped Redis stream.
import type { Redis } from 'ioredis';
import { singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';

/** About this many entries are kept. */
const MAX_ENTRIES = 10_000;

interface AuditEntry {
  /** Subject of the principal, `cli:<user>` for the command line. */
  readonly who: string;
  readonly tenant: string;
  /** A verb and its object's kind: `key.revoke`. */
  readonly action: string;
  /** Id of what was changed. */
  readonly target: string;
  readonly outcome: 'allowed' | 'failed';
}

/** An entry with its place in the log and its time, Unix ms by Redis' clock. */
export interface LoggedAuditEntry extends AuditEntry {
  readonly id: string;
  readonly atMs: number;
}

export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
  /** Newest first; `before` is the id of the last entry of the previous page. */
  page(limit: number, before?: string): Promise<LoggedAuditEntry[]>;
}

/** The audit log kept in `redis`. */
export function createAuditLog(redis: Redis): AuditLog {
  return {
    append: async (entry) => {
      const fields = Object.entries(entry).flat();
      await askRedis(redis.xadd(singleKeys.audit, 'MAXLEN', '~', MAX_ENTRIES, '*', ...fields));
    },
    page: async (limit, before) => {
      const from = before === undefined ? '+' : `(${before}`;
      const rows = await askRedis(redis.xrevrange(singleKeys.audit, from, '-', 'COUNT', limit));
      return rows.map(([id, fields]) => toEntry(id, fields));
    },
  };
}

function toEntry(id: string, fields: readonly string[]): LoggedAuditEntry {
  const values = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) values.set(fields[at] ?? '', fields[at + 1] ?? '');
  return {
    id,
    atMs: Number(id.split('-')[0]),
    who: values.get('who') ?? '',
    tenant: values.get('tenant') ?? '',
    action: values.get('action') ?? '',
    target: values.get('target') ?? '',
    outcome: values.get('outcome') === 'allowed' ? 'allowed' : 'failed',
  };
}
