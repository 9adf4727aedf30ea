// `conclave key create|list|revoke`.
import type { ApiKeyRecord } from '../../tenants/key-store.ts';
import type { Scope } from '../../tenants/scope.ts';
import { type AdministerOptions, administer, printResult } from '../administration/administer.ts';
import { formatTable } from '../format-table.ts';

export interface KeyCreateOptions extends AdministerOptions {
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresDays?: number;
}

export interface KeyListOptions extends AdministerOptions {
  readonly tenant?: string;
}

export type KeyRevokeOptions = AdministerOptions;

const DAY_MS = 86_400_000;

export async function keyCreateCommand(options: KeyCreateOptions, nowMs: number): Promise<void> {
  const { tenant, name, scopes, expiresDays } = options;
  const expiresAtMs = expiresDays === undefined ? null : Math.round(nowMs + expiresDays * DAY_MS);
  const key = await administer(options, (admin) => admin.createKey({ tenant, name, scopes, expiresAtMs }));
  printResult(options, key, `${key.text}\n`);
  if (!options.json) process.stderr.write('Keep it safe: it is not stored and cannot be shown again.\n');
}

export async function keyListCommand(options: KeyListOptions, nowMs: number): Promise<void> {
  const keys = await administer(options, (admin) => admin.listKeys(options.tenant));
  const rows = keys.map((key) => [key.prefix, key.tenant, key.scopes.join(' '), stateOf(key, nowMs), key.name]);
  printResult(options, keys, formatTable(['PREFIX', 'TENANT', 'SCOPES', 'STATE', 'NAME'], rows));
}

export async function keyRevokeCommand(prefix: string, options: KeyRevokeOptions): Promise<void> {
  const key = await administer(options, (admin) => admin.revokeKey(prefix));
  printResult(options, key, `Revoked ${key.prefix} of ${key.tenant}.\n`);
}

function stateOf({ revokedAtMs, expiresAtMs }: ApiKeyRecord, nowMs: number): string {
  if (revokedAtMs !== null) return `revoked ${day(revokedAtMs)}`;
  if (expiresAtMs === null) return 'valid';
  return `${expiresAtMs <= nowMs ? 'expired' : 'until'} ${day(expiresAtMs)}`;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
