// The real thing for a test: what `npm start` runs (two Redis servers, gateway, worker with the native engine) around a small
// model of random weights, in a temp home. Gone after the test, however that ended.
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
import { dbrx } from '../workers/model/dbrx.ts';
import type { ModelOutline } from '../workers/model/model-family.ts';
import type { Cleanup } from './start-redis.ts';
import { syntheticModel } from './synthetic-model.ts';

/** Fast enough for thousands of tokens a second, with a context that holds an answer of several seconds. */
const OUTLINE: ModelOutline = {
  ...dbrx.example,
  layers: 2,
  dModel: 64,
  vocab: 512,
  maxContext: 4096,
  attention: { ...dbrx.example.attention, heads: 4, kvHeads: 2, headDim: 16 },
  router: { ...dbrx.example.router, experts: 4, topK: 2 },
  expert: { ...dbrx.example.expert, ffn: 96 },
};

/** Bias that keeps the model from ending an answer before max_tokens: its two end tokens. */
export const NEVER_END: Readonly<Record<string, number>> = { '508': -100, '511': -100 };

const SETTINGS: ConfigInput = {
  drainSeconds: 2,
  worker: { threads: 1, leaseSeconds: 2 },
};

/** Long enough for a machine that does much else. */
const DEADLINE_MS = 60_000;

/** `worker` is the first one. */
export type ClusterPart = 'gateway' | 'worker' | `worker-${number}` | 'redis' | 'exchange';

export interface TestCluster {
  readonly home: string;
  readonly url: string;
  /** The name that clients use. */
  readonly model: string;
  /** Folder of the model's checkpoint. */
  readonly modelFolder: string;
  readonly configFile: string;
  /** A key of tenant `default` with scope chat. */
  readonly apiKey: string;
  /** The process id that a part has now; follows restarts. */
  pid(part: ClusterPart): number;
  /** SIGKILL; resolves when another process has been started in its place. */
  kill(part: ClusterPart): Promise<void>;
  /** The JSON answer of an admin call. Throws for any other status than 200 and 201. */
  admin(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown>;
  /** Makes a tenant and returns a key of it with scope chat. */
  newTenant(id: string, policy?: { readonly requestsPerMinute?: number }): Promise<string>;
}

export interface PreparedHome {
  readonly home: string;
  readonly modelFolder: string;
  readonly configFile: string;
}

/** A streamed chat whose answer has exactly `maxTokens` tokens, the same ones in every run. */
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

/** What is started last ends first: node:test has the other order. */
export function cleanupInReverse(test: Cleanup): Cleanup {
  const closing: (() => Promise<void>)[] = [];
  test.after(async () => {
    for (const close of closing.reverse()) await close();
  });
  return { after: (close) => void closing.push(close) };
}

/** A folder with a configuration and, unless the settings name one, a model: what `conclave start` needs. Gone after the test. */
export async function prepareHome(test: Cleanup, settings: ConfigInput = {}): Promise<PreparedHome> {
  const home = await mkdtemp(join(tmpdir(), 'cv-e2e-'));
  test.after(() => rm(home, { recursive: true, force: true }));
  const modelFolder = settings.model ?? (await syntheticModel(home, 'tiny', { model: OUTLINE }));
  const configFile = join(home, 'conclave.yaml');
  const worker = { ...SETTINGS.worker, ...settings.worker };
  writeFileSync(configFile, JSON.stringify({ ...SETTINGS, ...settings, worker }));
  return { home, modelFolder, configFile };
}

/**
 * One cluster for all tests of a `describe`: to be called in it, and the result inside the tests. (Hooks of a whole file would
 * not do: node:test runs them when nothing is open any more, and a cluster is.)
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
    // Workers that a failed test left frozen could not end otherwise.
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

/** Asks until the answer is what it should be. Throws after a minute, naming what did not happen. */
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

/** A test process that crashes or is timed out runs no hooks. */
function killLeftovers(home: string): void {
  if (!existsSync(join(home, 'ready.json'))) return;
  for (const pid of Object.values(readReadyFile(home).pids)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It had ended already.
    }
  }
}

/** What `<home>/ready.json` says now. */
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
