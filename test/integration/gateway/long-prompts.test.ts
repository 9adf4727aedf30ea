// A real gateway process, and prompts that are meant to stop, abort or starve it. There is no worker: a request asks for more tokens
// than the context has room for, so it is answered as soon as its prompt has been counted.
import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { configSchema } from '../../../infra/config/config-schema.ts';
import type { ModelCard } from '../../../infra/messages/model-card.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { startPublishing } from '../../../infra/registry/publish-model-card.ts';
import { createKeyStore } from '../../../infra/tenants/key-store.ts';
import { readPepper } from '../../../infra/tenants/read-pepper.ts';
import { createTenantStore } from '../../../infra/tenants/tenant-store.ts';
import type { TokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { startRedis } from '../../start-redis.ts';
import { byteLevelJson, filesOf } from '../../unit/tokenizer/tiny-tokenizers.ts';

const PATIENCE_MS = 300_000;
const CONTEXT = 1_000_000;

/** Splits by `pattern` first; the template is ChatML unless one is given. */
function splitBy(pattern: string): string {
  const json = JSON.parse(byteLevelJson());
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  const bytes = { ...json.pre_tokenizer, use_regex: false };
  return JSON.stringify({ ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [split, bytes] } });
}

const ECHO = '{% for m in messages %}{{ m.content }}{% endfor %}';
const MODELS: Readonly<Record<string, readonly [files: TokenizerFiles, maxContext: number]>> = {
  dbrx: [filesOf(null, { family: 'dbrx' }), CONTEXT],
  small: [filesOf(null, { family: 'dbrx' }), 4096],
  // As Llama 3 and DBRX have it: the library gives up on millions of spaces.
  native: [filesOf(splitBy('\\s+(?!\\S)|\\s+|\\S+'), { chatTemplate: ECHO }), CONTEXT],
  pattern: [filesOf(splitBy('(?:a|aa)+c|[^a]+'), { chatTemplate: ECHO }), CONTEXT],
  endless: [filesOf(byteLevelJson(), { chatTemplate: '{% for i in range(1000000000) %}{% endfor %}' }), CONTEXT],
};

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfter: string | undefined;
}

interface Gateway {
  readonly pid: number;
  readonly process: ChildProcess;
  ask(tenant: string, model: string, content: string): Promise<Answer>;
}

async function openGateway(defer: (close: () => unknown) => void): Promise<Gateway> {
  const redis = await startRedis({ after: defer });
  const home = mkdtempSync(join(tmpdir(), 'cv-home-'));
  redis.defer(() => rmSync(home, { recursive: true, force: true }));
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
  redis.defer(() => connection.disconnect());
  for (const [name, model] of Object.entries(MODELS)) {
    const publishing = await startPublishing(connection, cardOf(name, ...model), assert.ifError);
    redis.defer(() => publishing.stop());
  }
  const keys = await makeKeys(connection, home, ['greedy', 'modest']);
  const { process, url } = await startProcess(redis.url, home);
  redis.defer(() => process.kill('SIGKILL'));
  return { process, pid: process.pid ?? 0, ask: (tenant, ...prompt) => ask(url, keys.get(tenant) ?? '', ...prompt) };
}

function cardOf(name: string, tokenizer: TokenizerFiles, maxContext: number): ModelCard {
  const facts = {
    family: 'test',
    created: 1,
    vocab: 200_000,
    dtype: 'f32',
    eosTokenIds: [],
    description: 'for a test',
  };
  return { ...facts, name, tokenizer, maxContext };
}

async function makeKeys(connection: ReturnType<typeof connectRedis>, home: string, names: readonly string[]) {
  const store = createKeyStore(connection, readPepper(join(home, 'pepper')));
  const tenants = createTenantStore(connection, configSchema.parse({}).tenants);
  const keys = new Map<string, string>();
  for (const tenant of names) {
    await tenants.create(tenant, {}, Date.now());
    const key = { tenant, name: 'test', scopes: ['chat'] as const, expiresAtMs: null };
    keys.set(tenant, (await store.create(key, Date.now())).text);
  }
  return keys;
}

async function startProcess(redisUrl: string, home: string): Promise<{ process: ChildProcess; url: string }> {
  const config = join(home, 'conclave.yaml');
  writeFileSync(config, JSON.stringify({ limits: { bodyBytes: 16 * 1024 * 1024 } }));
  const child = fork(join(REPOSITORY_ROOT, 'dist', 'gateway', 'main.js'), ['--config', config], {
    env: { ...process.env, REDIS_URL: redisUrl, CONCLAVE_HOME: home, CONCLAVE_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.once('exit', () => reject(new Error(`The gateway ended: ${said}`)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const address = /"address":"(http[^"]+)"/.exec(said)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
  return { process: child, url };
}

async function ask(url: string, key: string, model: string, content: string): Promise<Answer> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content }], max_tokens: CONTEXT });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await request(`${url}/v1/chat/completions`, {
    ...{ method: 'POST', headers, body, headersTimeout: PATIENCE_MS },
  });
  const { error } = (await answer.body.json()) as { error: { code: string; message: string } };
  return { status: answer.statusCode, ...error, retryAfter: answer.headers['retry-after'] as string | undefined };
}

function memoryOf(pid: number): number {
  return Number(spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).stdout) * 1024;
}

describe('a gateway under hostile prompts', () => {
  const closing: (() => unknown)[] = [];
  let gateway: Gateway;
  before(async () => {
    gateway = await openGateway((close) => void closing.push(close));
    // The first answers wait for Redis and for the tokenizers.
    const deadline = Date.now() + PATIENCE_MS;
    for (const model of ['dbrx', 'small', 'native', 'pattern']) {
      for (;;) {
        const { code, message } = await gateway.ask('modest', model, 'hello');
        if (code === 'context_length_exceeded') break;
        assert.ok(Date.now() < deadline, `${model}: ${message}`);
        await delay(50);
      }
    }
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  /** Small requests of another tenant that are answered, one after the other, until `long` is. */
  async function answeredDuring(long: Promise<unknown>): Promise<number> {
    let running = true;
    let answered = 0;
    const ended = long.finally(() => {
      running = false;
    });
    while (running) {
      const { message } = await gateway.ask('modest', 'dbrx', 'hello');
      assert.match(message, / in the messages/);
      answered += 1;
    }
    await ended;
    return answered;
  }

  test('160,000 letters are encoded while others are answered', async () => {
    const long = gateway.ask('greedy', 'dbrx', 'a'.repeat(160_000));
    const answered = await answeredDuring(long);
    assert.match((await long).message, /\(200\d\d in the messages/);
    assert.ok(answered >= 3, `${answered} answers`);
  });

  test('many long prompts of one tenant do not keep a short one of another waiting', async () => {
    const long = Array.from({ length: 5 }, () => gateway.ask('greedy', 'dbrx', 'a'.repeat(1_000_000)));
    const answered = await answeredDuring(Promise.all(long));
    assert.ok(answered >= 10, `${answered} answers`);
    for (const answer of long) assert.match((await answer).message, /\(1250\d\d in the messages/);
  });

  test('eleven million spaces are refused, and the gateway lives', async () => {
    const spaces = ' '.repeat(11_000_000);
    for (const model of ['small', 'native']) {
      const { status, code, message } = await gateway.ask('greedy', model, spaces);
      assert.equal(status, 400, message);
      assert.ok(code === 'context_length_exceeded' || code === 'invalid_request', code);
    }
    assert.match((await gateway.ask('modest', 'native', 'hello')).message, / in the messages/);
  });

  test('a prompt that aborts the native library is a 400, and the next one is served', async () => {
    const { status, message } = await gateway.ask('greedy', 'pattern', `${'a'.repeat(60)}!`);
    assert.equal(status, 400);
    assert.match(message, /could not be tokenized/);
    assert.match((await gateway.ask('modest', 'pattern', 'hello')).message, / in the messages/);
  });

  test('a template without end is a 500 for its model alone', async () => {
    const endless = gateway.ask('greedy', 'endless', 'hello');
    assert.ok((await answeredDuring(endless)) >= 3);
    assert.deepEqual([(await endless).status, (await endless).code], [500, 'bad_tokenizer']);
  });

  for (const model of ['small', 'dbrx']) {
    test(`${model}: forty prompts of four megabytes at once leave memory bounded`, async () => {
      const content = 'hello world '.repeat(333_333);
      const answers = Array.from({ length: 40 }, () => gateway.ask('greedy', model, content));
      const all = Promise.all(answers);
      let running = true;
      let most = 0;
      const ended = all.finally(() => {
        running = false;
      });
      while (running) {
        most = Math.max(most, memoryOf(gateway.pid));
        await delay(20);
      }
      await ended;
      assert.ok(most < 1e9, `${Math.round(most / 1e6)} MB`);
      for (const { status, code, retryAfter } of await all) {
        if (status === 400) assert.equal(code, 'context_length_exceeded');
        else assert.deepEqual([status, code, retryAfter], [429, 'queue_full', '2']);
      }
      assert.match((await gateway.ask('modest', 'dbrx', 'hello')).message, / in the messages/);
    });
  }

  test('all of it was answered by one process', () => {
    assert.equal(gateway.process.exitCode, null);
    assert.equal(gateway.process.signalCode, null);
  });
});
