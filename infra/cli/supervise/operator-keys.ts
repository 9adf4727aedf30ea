// The keys that `npm start` prints: one to chat, one to administer. Kept in the home folder, readable by its owner only,
// because they are shown again at the next start; made anew when Redis does not know them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyStore } from '../../tenants/key-store.ts';
import { SCOPES, type Scope } from '../../tenants/scope.ts';
import type { TenantStore } from '../../tenants/tenant-store.ts';

export interface OperatorKeys {
  readonly apiKey: string;
  readonly adminKey: string;
}

const FILE = 'operator-keys.json';
const TENANT = 'default';

/** The keys of this home, made at the first start. */
export async function operatorKeys(
  home: string,
  keys: KeyStore,
  tenants: TenantStore,
  nowMs: number,
): Promise<OperatorKeys> {
  if ((await tenants.find(TENANT)) === undefined) await tenants.create(TENANT, {}, nowMs);
  const path = join(home, FILE);
  const stored = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Partial<OperatorKeys>) : {};
  const current = {
    apiKey: await valid(stored.apiKey, 'npm start', ['chat'], keys, nowMs),
    adminKey: await valid(stored.adminKey, 'npm start (admin)', SCOPES, keys, nowMs),
  };
  writeFileSync(path, JSON.stringify(current, null, 2), { mode: 0o600 });
  return current;
}

async function valid(
  text: string | undefined,
  name: string,
  scopes: readonly Scope[],
  keys: KeyStore,
  nowMs: number,
): Promise<string> {
  if (text !== undefined && (await keys.verify(text, nowMs)) !== undefined) return text;
  return (await keys.create({ tenant: TENANT, name, scopes, expiresAtMs: null }, nowMs)).text;
}
