// A gateway as a process of its own, for benches that look at its memory.
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { connectRedis } from '../../infra/redis/connect.ts';
import { createKeyStore } from '../../infra/tenants/key-store.ts';
import { readPepper } from '../../infra/tenants/read-pepper.ts';
import type { Scope } from '../../infra/tenants/scope.ts';
import { eventually } from '../queue-fixture.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';

export interface GatewayProcess {
  readonly url: string;
  readonly process: ChildProcess;
}

/** Starts it with `maxWaiting` as its tenants' limit; resolves when it is ready, which takes a model's card. */
export async function startGatewayProcess(home: string, redisUrl: string, maxWaiting: number): Promise<GatewayProcess> {
  const logFile = join(home, 'gateway.log');
  const log = openSync(logFile, 'w');
  const configFile = join(home, 'conclave.yaml');
  writeFileSync(configFile, JSON.stringify({ tenants: { maxWaiting } }));
  const env = { ...process.env, REDIS_URL: redisUrl, CONCLAVE_HOME: home, CONCLAVE_PORT: '0' };
  const module = join(REPOSITORY_ROOT, 'dist', 'gateway', 'main.js');
  const child = spawn(process.execPath, [module, '--config', configFile], { env, stdio: ['ignore', 'ignore', log] });
  const url = await eventually(async () => /"address":"([^"]+)"/.exec(readFileSync(logFile, 'utf8'))?.[1]);
  await eventually(async () => (await request(`${url}/readyz`)).statusCode === 200);
  return { url, process: child };
}

/** Makes API keys of one scope, one for each tenant. */
export async function makeKeys(
  home: string,
  redisUrl: string,
  tenants: readonly string[],
  scope: Scope,
): Promise<string[]> {
  const redis = connectRedis({ url: redisUrl, role: 'durable', name: 'bench', patience: 'bounded' });
  const keys = createKeyStore(redis, readPepper(join(home, 'pepper')));
  const create = (tenant: string) => keys.create({ tenant, name: '', scopes: [scope], expiresAtMs: null }, Date.now());
  const made = await Promise.all(tenants.map(create));
  redis.disconnect();
  return made.map(({ text }) => text);
}
