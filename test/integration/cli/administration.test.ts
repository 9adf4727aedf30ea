// `conclave tenant`, `key`, `chat` and `doctor` as a user runs them: processes against a real gateway and Redis.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { startGateway } from '../../../gateway/start-gateway.ts';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { createLogger } from '../../../infra/log/logger.ts';
import { serveWords } from '../../gateway-parts/word-worker.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { startRedis } from '../../start-redis.ts';

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function start(t: TestContext) {
  const redis = await startRedis(t);
  const home = mkdtempSync(join(tmpdir(), 'cv-cli-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const config = configSchema.parse({ port: 0, home, redisUrl: redis.url, drainSeconds: 0.1 });
  const gateway = await startGateway(config, createLogger('test', 'silent'));
  redis.defer(() => gateway.close());
  await gateway.connected;
  const run = async (args: readonly string[], environment: NodeJS.ProcessEnv = {}, input = ''): Promise<Outcome> => {
    const { REDIS_URL: _redis, EXCHANGE_URL: _exchange, ...inherited } = process.env;
    const child = spawn(process.execPath, [join(REPOSITORY_ROOT, 'infra/cli/conclave.mjs'), ...args], {
      cwd: home,
      env: { ...inherited, CONCLAVE_HOME: home, ...environment },
    });
    child.stdin.end(input);
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const [out, err, code] = await Promise.all([readText(child.stdout), readText(child.stderr), exit]);
    return { code, out, err };
  };
  return { redis, home, url: gateway.url, run, direct: { REDIS_URL: redis.url } };
}

test('the first key is made in Redis, further ones over HTTP, and a revoked one is refused', async (t) => {
  const { redis, url, run, direct } = await start(t);
  const worker = await serveWords(url, redis.url, ['one ', 'two']);
  redis.defer(() => worker.stop());
  const orphan = await run(['key', 'create', '--tenant', 'acme'], direct);
  assert.deepEqual([orphan.code, orphan.err], [1, "conclave: Tenant 'acme' does not exist. Create it first.\n"]);
  assert.equal((await run(['tenant', 'create', 'acme', '--weight', '2'], direct)).code, 0);
  const admin = await run(['key', 'create', '--tenant', 'acme', '--scopes', 'admin:read', 'admin:write'], direct);
  assert.match(admin.out, /^cvk_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}\n$/);
  const remote = ['--url', url, '--key', admin.out.trim()];
  const made = JSON.parse((await run(['key', 'create', '--tenant', 'acme', '--json', ...remote])).out);
  const chat = ['chat', 'count', '--url', url, '--key', made.text];
  const answered = await run(chat);
  assert.deepEqual([answered.code, answered.out], [0, 'one two\n'], answered.err);
  const listed = await run(['key', 'list', ...remote]);
  assert.match(listed.out, new RegExp(`${made.prefix}  acme    chat                    valid`));
  assert.equal((await run(['key', 'revoke', made.prefix, ...remote])).code, 0);
  const refused = await run(chat);
  assert.deepEqual(
    [refused.code, refused.err],
    [1, 'conclave: Incorrect API key provided. It may be misspelt, expired or revoked.\n'],
  );
  assert.match((await run(['tenant', 'list', ...remote])).out, /^acme {4}2 /m);
});

test('a running home needs neither URL nor key, and a conversation remembers', async (t) => {
  const { redis, home, url, run, direct } = await start(t);
  const worker = await serveWords(url, redis.url, ['yes']);
  redis.defer(() => worker.stop());
  await run(['tenant', 'create', 'acme'], direct);
  const create = ['key', 'create', '--tenant', 'acme', '--scopes', 'chat', 'admin:read', 'admin:write'];
  const key = (await run(create, direct)).out.trim();
  writeFileSync(join(home, 'ready.json'), JSON.stringify({ url, apiKey: key, adminKey: key }));
  assert.match((await run(['tenant', 'list'])).out, /^acme/m);
  const { code, out, err } = await run(['chat'], {}, 'first\nsecond\n');
  assert.deepEqual([code, out], [0, 'yes\nyes\n'], err);
});

test('without anything to administer the error says what is expected', async (t) => {
  const { run } = await start(t);
  const { code, err } = await run(['key', 'list']);
  assert.equal(code, 1);
  assert.match(err, /Give --url and --key, set REDIS_URL, or run `npm start`/);
  assert.match((await run(['chat', 'hi', '--url', 'http://127.0.0.1:1', '--key', 'x'])).err, /No gateway answers at/);
});

test('doctor reports each thing it looks at, and fails for a Redis that does not answer', async (t) => {
  const { run, direct } = await start(t);
  const healthy = JSON.parse((await run(['doctor', '--json'], direct)).out) as {
    findings: { what: string; state: string }[];
  };
  assert.deepEqual(
    healthy.findings.map(({ what }) => what),
    ['node', 'compiler', 'engine', 'memory', 'home', 'port', 'redis', 'exchange'],
  );
  assert.equal(healthy.findings.find(({ what }) => what === 'redis')?.state, 'ok');
  const broken = await run(['doctor'], { REDIS_URL: 'redis://127.0.0.1:1' });
  assert.equal(broken.code, 1);
  assert.match(broken.out, /^fail {2}redis {6}Redis does not answer \(connect ECONNREFUSED 127\.0\.0\.1:1\)\.$/m);
});
