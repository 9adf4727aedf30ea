// A gateway as a process of its own, for benches that look at its memory and are its workers themselves.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import type { ModelCard } from '../../infra/messages/model-card.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { startPublishing } from '../../infra/registry/publish-model-card.ts';
import { createKeyStore } from '../../infra/tenants/key-store.ts';
import { readPepper } from '../../infra/tenants/read-pepper.ts';
import type { Scope } from '../../infra/tenants/scope.ts';
import { eventually, type QueueFixture, startQueueFixture } from '../queue-fixture.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';

export interface GatewayProcess {
  readonly url: string;
  readonly process: ChildProcess;
}

export interface GatewayBench {
  readonly fixture: QueueFixture;
  readonly gateway: GatewayProcess;
  /** Makes API keys of one scope, one for each tenant. */
  makeKeys(tenants: readonly string[], scope: Scope): Promise<string[]>;
}

/** Prints as JSON what `bench` finds out about a gateway that serves `card`, with `maxWaiting` as its tenants' limit. */
export async function benchGateway(
  card: ModelCard,
  maxWaiting: number,
  bench: (parts: GatewayBench) => Promise<object>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'cv-gateway-'));
  const cleanup: (() => Promise<void>)[] = [async () => rmSync(home, { recursive: true, force: true })];
  try {
    const fixture = await startQueueFixture({ after: (close) => void cleanup.push(close) });
    const { url } = fixture.server;
    const publishing = await startPublishing(fixture.redis, card, () => {});
    cleanup.push(() => publishing.stop());
    const gateway = await startGatewayProcess(home, url, maxWaiting);
    cleanup.push(async () => void gateway.process.kill('SIGTERM'));
    const found = await bench({ fixture, gateway, makeKeys: (tenants, scope) => makeKeys(home, url, tenants, scope) });
    console.log(JSON.stringify(found, null, 2));
  } finally {
    for (const close of cleanup.reverse()) await close();
  }
}

/** Resolves when it is ready, which takes a model's card. */
async function startGatewayProcess(home: string, redisUrl: string, maxWaiting: number): Promise<GatewayProcess> {
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

async function makeKeys(home: string, redisUrl: string, tenants: readonly string[], scope: Scope): Promise<string[]> {
  const redis = connectRedis({ url: redisUrl, role: 'durable', name: 'bench', retry: 'bounded' });
  const keys = createKeyStore(redis, readPepper(join(home, 'pepper')));
  const create = (tenant: string) => keys.create({ tenant, name: '', scopes: [scope], expiresAtMs: null }, Date.now());
  const made = await Promise.all(tenants.map(create));
  redis.disconnect();
  return made.map(({ text }) => text);
}
