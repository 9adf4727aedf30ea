// The keys that `npm start` prints: one to chat, one to administer. Kept in the home folder, readable by its owner only,
// because they are shown again at the next start. Keys that Redis no longer accepts are replaced, and people are told why.
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
/** What was there before keys had to be replaced: it is valid again should the data come back. */
const PREVIOUS = 'operator-keys.previous.json';
const storedSchema = z.object({ apiKey: z.string(), adminKey: z.string() });
const TENANT = 'default';

/** The keys of this home, made at the first start. Warns by `say` before it replaces those of an earlier one. */
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
    const message = `${path} does not hold the keys that a start has written there. Remove it: new ones are made.`;
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
    ? `WARNING: ${home} was used before, but its Redis is empty: tenants, keys and requests that waited are gone.`
    : `WARNING: Redis no longer accepts a key of ${join(home, FILE)}: it was revoked or has expired, or the pepper is another.`;
  const remedy = isEmpty ? 'If its data was moved or is not mounted, stop, put it back and start again. ' : '';
  return [why, `${remedy}New keys are made; the previous ones are in ${previous}.`];
}

async function make(name: string, scopes: readonly Scope[], keys: KeyStore, nowMs: number): Promise<string> {
  return (await keys.create({ tenant: TENANT, name, scopes, expiresAtMs: null }, nowMs)).text;
}
