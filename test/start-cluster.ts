// Starts a real cluster for a test: the processes of `npm start` (two Redis servers, a gateway, a worker with the native
// engine) with a small model of random weights, in a temporary home. Everything is removed after the test, even if it fails.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { type ReadyFile, runCluster } from '../infra/cli/supervise/run-cluster.ts';
import type { ConfigInput } from '../infra/config/config-schema.ts';
import { readConfig } from '../infra/config/read-config.ts';
import type { ModelSizes } from '../workers/model/families/model-family.ts';
import type { Cleanup } from './start-redis.ts';
import { syntheticModel } from './synthetic-model.ts';

/** Fast enough for thousands of tokens a second, with a context that holds an answer of several seconds. */
const SIZES: ModelSizes = {
  layers: 2,
  dModel: 64,
  vocab: 512,
  maxContext: 4096,
  heads: 4,
  kvHeads: 2,
  experts: 4,
  topK: 2,
  ffn: 96,
};

/** Logit bias against the model's two end-of-sequence tokens, so that answers reach max_tokens. */
export const NEVER_END: Readonly<Record<string, number>> = { '508': -100, '511': -100 };

const SETTINGS: ConfigInput = {
  drainSeconds: 2,
  worker: { threads: 1, leaseSeconds: 2 },
};

/** Long enough for a heavily loaded machine. */
const DEADLINE_MS = 60_000;

/** `worker` is the first one. */
export type ClusterPart = 'gateway' | 'worker' | `worker-${number}` | 'redis' | 'exchange';

export interface TestCluster {
  readonly home: string;
  readonly url: string;
  /** The model name that clients use. */
  readonly model: string;
  /** Folder of the model's checkpoint. */
  readonly modelFolder: string;
  readonly configFile: string;
  /** A key of tenant `default` with scope chat. */
  readonly apiKey: string;
  /** The current process id of a part; it changes with a restart. */
  pid(part: ClusterPart): number;
  /** Sends SIGKILL and resolves once the part has been restarted. */
  kill(part: ClusterPart): Promise<void>;
  /** Calls the admin API and returns the JSON. Throws for any status other than 200 and 201. */
  admin(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown>;
  /** Creates a tenant and returns a key for it with scope chat. */
  newTenant(id: string, policy?: { readonly requestsPerMinute?: number }): Promise<string>;
}

export interface PreparedHome {
  readonly home: string;
  readonly modelFolder: string;
  readonly configFile: string;
}

/** A streaming chat request whose answer has exactly `maxTokens` tokens, identical in every run. */
export function longChatBody(maxTokens: number, changes: object = {}): object {
  return {
    model: 'tiny',
    messages: [{ role: 'user', content: 'Tell me a story' }],
    stream: true,
    max_tokens: maxTokens,
    temperature: 0.8,
    seed: 11,
    logit_bias: NEVER_END,
    ...changes,
  };
}

/** Runs cleanups in reverse order of registration; node:test runs them in order. */
export function cleanupInReverse(test: Cleanup): Cleanup {
  const closing: (() => Promise<void>)[] = [];
  test.after(async () => {
    for (const close of closing.reverse()) await close();
  });
  return { after: (close) => void closing.push(close) };
}

/** A home for `conclave start` with a configuration and, unless the settings name one, a model. Deleted after the test. */
export async function prepareHome(test: Cleanup, settings: ConfigInput = {}): Promise<PreparedHome> {
  const home = await mkdtemp(join(tmpdir(), 'cv-e2e-'));
  test.after(() => rm(home, { recursive: true, force: true }));
  const modelFolder = settings.model ?? (await syntheticModel(home, 'tiny', { sizes: SIZES }));
  const configFile = join(home, 'conclave.yaml');
  const worker = { ...SETTINGS.worker, ...settings.worker };
  writeFileSync(configFile, JSON.stringify({ ...SETTINGS, ...settings, worker }));
  return { home, modelFolder, configFile };
}

/**
 * One cluster for all tests of a `describe`. Call this in the `describe` callback, and the returned function in the tests.
 * File-level hooks would not work: node:test runs them only once no handle is open, and a cluster holds some.
 */
export function sharedCluster(settings: ConfigInput = {}): () => TestCluster {
  const closing: (() => Promise<void>)[] = [];
  let cluster: TestCluster | undefined;
  before(async () => {
    cluster = await startCluster({ after: (close) => void closing.push(close) }, settings);
  });
  after(async () => {
    for (const close of closing) await close();
  });
  return () => {
    if (cluster === undefined) throw new TypeError('The cluster has not started yet');
    return cluster;
  };
}

/** Starts a cluster that ends with the test. */
export async function startCluster(test: Cleanup, settings: ConfigInput = {}): Promise<TestCluster> {
  const cleanup = cleanupInReverse(test);
  const prepared = await prepareHome(cleanup, settings);
  const { home, modelFolder, configFile } = prepared;
  const config = readConfig({ config: configFile, home, port: 0, model: modelFolder }, {});
  const cluster = await runCluster({ config, configFile, say: () => {} });
  cleanup.after(async () => {
    // A worker that a failed test left suspended could not exit.
    for (const pid of Object.values(readReadyFile(home).pids)) process.kill(pid, 'SIGCONT');
    await cluster.stop();
  });
  process.once('exit', () => killLeftovers(home));
  return describeCluster(prepared, cluster.ready);
}

function describeCluster(prepared: PreparedHome, { url, model, apiKey, adminKey }: ReadyFile): TestCluster {
  const { home } = prepared;
  const admin = (method: 'GET' | 'POST', path: string, body?: object) =>
    callAdmin(`${url}/admin/api/${path}`, adminKey, method, body);
  return {
    ...prepared,
    url,
    model,
    apiKey,
    pid: (part) => pidOf(home, part),
    kill: (part) => killAndWait(home, part),
    admin,
    newTenant: async (id, policy = {}) => {
      await admin('POST', 'tenants', { id, ...policy });
      const { text } = (await admin('POST', 'keys', { tenant: id })) as { readonly text: string };
      return text;
    },
  };
}

function pidOf(home: string, part: ClusterPart): number {
  const pid = readReadyFile(home).pids[part];
  if (pid === undefined) throw new Error(`ready.json names no ${part}`);
  return pid;
}

async function killAndWait(home: string, part: ClusterPart): Promise<void> {
  const before = pidOf(home, part);
  process.kill(before, 'SIGKILL');
  await eventually(
    `a new ${part}`,
    async () => pidOf(home, part),
    (now) => now !== before,
  );
}

/** Polls until `accept` returns true. Throws after a minute with `what` and the last value. */
export async function eventually<Value>(
  what: string,
  ask: () => Promise<Value>,
  accept: (value: Value) => boolean,
): Promise<Value> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await ask();
    if (accept(value)) return value;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(value)}`);
    await delay(20);
  }
}

/** Cleans up after a test process that crashed or timed out, which runs no hooks. */
function killLeftovers(home: string): void {
  if (!existsSync(join(home, 'ready.json'))) return;
  for (const pid of Object.values(readReadyFile(home).pids)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The process has already exited.
    }
  }
}

/** The current contents of `<home>/ready.json`. */
export function readReadyFile(home: string): ReadyFile {
  return JSON.parse(readFileSync(join(home, 'ready.json'), 'utf8'));
}

async function callAdmin(url: string, key: string, method: 'GET' | 'POST', body?: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await request(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await answer.body.text();
  if (answer.statusCode > 201) throw new Error(`${method} ${url}: ${answer.statusCode} ${text}`);
  return JSON.parse(text);
}
