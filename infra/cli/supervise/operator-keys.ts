// The keys that `npm start` prints: one for chat, one for administration. They are stored in the home folder, readable by its
// owner only, because the next start prints them again. Keys that Redis no longer accepts are replaced with a warning.
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../../errors/domain-error.ts';
import type { KeyStore } from '../../tenants/key-store.ts';
import { SCOPES, type Scope } from '../../tenants/scope.ts';
import type { TenantStore } from '../../tenants/tenant-store.ts';

export interface OperatorKeys {
  readonly apiKey: string;
  readonly adminKey: string;
}

const FILE = 'operator-keys.json';
/** The replaced keys, which become valid again if the data of Redis is restored. */
const PREVIOUS = 'operator-keys.previous.json';
const storedSchema = z.object({ apiKey: z.string(), adminKey: z.string() });
const TENANT = 'default';

/** The keys of this home, created at the first start. Warns through `say` before it replaces existing ones. */
export async function operatorKeys(
  home: string,
  keys: KeyStore,
  tenants: TenantStore,
  nowMs: number,
  say: (line: string) => void,
): Promise<OperatorKeys> {
  if ((await tenants.find(TENANT)) === undefined) await tenants.create(TENANT, {}, nowMs);
  const path = join(home, FILE);
  const stored = readKeys(path);
  const accepted = {
    apiKey: await accept(stored.apiKey, keys, nowMs),
    adminKey: await accept(stored.adminKey, keys, nowMs),
  };
  if (isLost(stored.apiKey, accepted.apiKey) || isLost(stored.adminKey, accepted.adminKey)) {
    const previous = join(home, PREVIOUS);
    copyFileSync(path, previous);
    for (const line of warning(home, previous, (await keys.list()).length === 0)) say(line);
  }
  const current = {
    apiKey: accepted.apiKey ?? (await make('npm start', ['chat'], keys, nowMs)),
    adminKey: accepted.adminKey ?? (await make('npm start (admin)', SCOPES, keys, nowMs)),
  };
  writeFileSync(path, JSON.stringify(current, null, 2), { mode: 0o600 });
  return current;
}

function readKeys(path: string): Partial<OperatorKeys> {
  if (!existsSync(path)) return {};
  try {
    return storedSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const message = `${path} is damaged. Remove it to have new keys created.`;
    throw new DomainError('bad_config', message, { param: path, cause });
  }
}

async function accept(text: string | undefined, keys: KeyStore, nowMs: number): Promise<string | undefined> {
  return text !== undefined && (await keys.verify(text, nowMs)) !== undefined ? text : undefined;
}

function isLost(stored: string | undefined, accepted: string | undefined): boolean {
  return stored !== undefined && accepted === undefined;
}

function warning(home: string, previous: string, isEmpty: boolean): readonly string[] {
  const why = isEmpty
    ? `WARNING: ${home} was used before, but its Redis is empty: tenants, keys and waiting requests are gone.`
    : `WARNING: A key of ${join(home, FILE)} is no longer valid: it was revoked, it has expired, or the pepper has changed.`;
  const remedy = isEmpty ? 'If the data was moved or is not mounted, stop, restore it and start again. ' : '';
  return [why, `${remedy}New keys are created; the previous ones are in ${previous}.`];
}

async function make(name: string, scopes: readonly Scope[], keys: KeyStore, nowMs: number): Promise<string> {
  return (await keys.create({ tenant: TENANT, name, scopes, expiresAtMs: null }, nowMs)).text;
}
