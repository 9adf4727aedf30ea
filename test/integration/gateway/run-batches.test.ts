// How batches run, on a real Redis with an app that the tests script: who may enter the queues when, in which turn, and what becomes
// of lines whose gateway was killed.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Caller } from '../../../gateway/auth/principal.ts';
import { createBatchStore } from '../../../gateway/batches/batch-store.ts';
import { startBatches } from '../../../gateway/batches/run-batches.ts';
import { createFileStore } from '../../../gateway/files/file-store.ts';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { singleKeys } from '../../../infra/redis/keys.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { startRedis } from '../../start-redis.ts';
import { until } from './real-gateway.ts';

const ENDPOINT = '/v1/chat/completions';
const DAY_MS = 86_400_000;

interface Line {
  readonly tenant: string;
  readonly customId: string;
}

type Answer = (line: Line, signal: AbortSignal) => Promise<number>;

async function open(t: TestContext, window = 4) {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'bounded' });
  server.defer(() => redis.disconnect());
  const config = configSchema.parse({ batches: { window } });
  const [files, batches] = [createFileStore(redis, config.files), createBatchStore(redis, config)];
  const scripted = (await createScriptedGateway()).parts;
  const state = { waiting: 0, laterMs: 0, blocked: '' };
  const clock = () => Date.now() + state.laterMs;
  const queues = async () => [{ model: 'tiny', waiting: state.waiting }] as never;
  const operations = { ...scripted.operations, queues };
  const policy = async (tenant: string) => {
    return { ...(await scripted.tenants.policy(tenant)), blocked: tenant === state.blocked };
  };
  const tenants = { ...scripted.tenants, policy };
  const parts = { ...scripted, config, files, batches, operations, tenants, clock };
  /** A gateway whose app answers a line with a status. */
  const run = (gatewayId: string, answer: Answer) => {
    const call = async (request: Request, { principal }: Caller) => {
      const { user } = (await request.json()) as { user: string };
      const status = await answer({ tenant: principal.tenant, customId: user }, request.signal);
      return Response.json({ answered: user }, { status, headers: { 'x-request-id': 'req_1' } });
    };
    const runner = startBatches({ parts, gatewayId, call, onProblem: (problem) => assert.fail(String(problem)) });
    server.defer(() => runner.stop());
    return runner;
  };
  const submit = async (tenant: string, count: number, expiresAtMs = clock() + DAY_MS) => {
    const name = `${tenant}${Math.random().toString(36).slice(2)}`;
    const lines = Array.from({ length: count }, (_, at) => {
      const id = `${tenant}-${at}`;
      return JSON.stringify({ custom_id: id, method: 'POST', url: ENDPOINT, body: { model: 'tiny', user: id } });
    });
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    // Chunks end in mid-line.
    for (let at = 0; at < bytes.length; at += 100) await files.append(`file-${name}`, bytes.subarray(at, at + 100));
    const times = { createdAtMs: clock(), expiresAtMs };
    await files.complete({
      id: `file-${name}`,
      tenant,
      bytes: bytes.length,
      ...times,
      filename: 'x',
      purpose: 'batch',
    });
    const ids = {
      id: `batch_${name}`,
      inputFileId: `file-${name}`,
      outputFileId: `file-o${name}`,
      errorFileId: `file-e${name}`,
    };
    await batches.create({ ...ids, tenant, endpoint: ENDPOINT, metadata: null, ...times });
    return ids;
  };
  const statusOf = async (id: string, tenant: string) => (await batches.find(id, tenant)).status;
  const results = async (fileId: string) => {
    let text = '';
    for await (const chunk of files.read(fileId)) text += Buffer.from(chunk).toString();
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  return { redis, state, batches, run, submit, statusOf, results };
}

const names = (count: number, tenant = 'acme') => Array.from({ length: count }, (_, at) => `${tenant}-${at}`).sort();
const never = () => new Promise<number>(() => {});

test('every line has one result, also when the gateway that ran them is killed and comes back', {
  timeout: 60_000,
}, async (t) => {
  const { run, submit, statusOf, results, redis } = await open(t);
  const { id, outputFileId, errorFileId } = await submit('acme', 12);
  const late: (() => void)[] = [];
  let first = 0;
  run('gw-killed', () => {
    first += 1;
    return first <= 3 ? Promise.resolve(200) : new Promise((resolve) => late.push(() => resolve(200)));
  });
  await until(() => late.length === 4);
  // It is frozen rather than killed, the harder case: it writes its results afterwards.
  await redis.set(singleKeys.batching, 'gw-next');
  run('gw-next', async ({ customId }) => (customId === 'acme-7' ? 404 : 200));
  await until(async () => (await statusOf(id, 'acme')) === 'completed');
  for (const resolve of late) resolve();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const output = await results(outputFileId);
  const errors = await results(errorFileId);
  const idsOf = (all: { custom_id: string }[]) => all.map((line) => line.custom_id);
  assert.deepEqual([...idsOf(output), ...idsOf(errors)].sort(), names(12));
  assert.ok(idsOf(errors).length <= 1);
  assert.deepEqual(output[0].response, {
    status_code: 200,
    request_id: 'req_1',
    body: { answered: output[0].custom_id },
  });
});

test('no line enters while a request waits, and few run at a time', async (t) => {
  const { run, submit, state, statusOf } = await open(t);
  state.waiting = 1;
  const { id } = await submit('acme', 20);
  const running: (() => void)[] = [];
  let most = 0;
  let answered = 0;
  run('gw', () => {
    return new Promise((resolve) => {
      running.push(() => resolve(200));
      most = Math.max(most, running.length);
    });
  });
  await until(async () => (await statusOf(id, 'acme')) === 'in_progress');
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(running.length, 0);
  state.waiting = 0;
  await until(async () => {
    for (const finish of running.splice(0)) {
      answered += 1;
      finish();
    }
    return (await statusOf(id, 'acme')) === 'completed';
  });
  assert.equal(answered, 20);
  assert.ok(most <= 4, String(most));
});

test('tenants take turns', async (t) => {
  const { run, submit, statusOf } = await open(t, 2);
  const large = await submit('acme', 8);
  const small = await submit('rival', 3);
  await until(async () => (await statusOf(large.id, 'acme')) === 'validating');
  const order: string[] = [];
  run('gw', async ({ tenant }) => {
    order.push(tenant);
    await new Promise((resolve) => setTimeout(resolve, 30));
    return 200;
  });
  await until(async () => (await statusOf(large.id, 'acme')) === 'completed');
  assert.equal(await statusOf(small.id, 'rival'), 'completed');
  assert.ok(order.lastIndexOf('rival') < 8, order.join(' '));
});

test('a line that finds the queue full or the workers away runs again', { timeout: 60_000 }, async (t) => {
  const { run, submit, statusOf, results } = await open(t);
  const { id, outputFileId } = await submit('acme', 3);
  const tries = new Map<string, number>();
  run('gw', async ({ customId }) => {
    tries.set(customId, (tries.get(customId) ?? 0) + 1);
    return tries.get(customId) === 1 ? 503 : 200;
  });
  await until(async () => (await statusOf(id, 'acme')) === 'completed');
  assert.equal((await results(outputFileId)).length, 3);
});

test('cancelled: what runs is stopped, what is done is kept', async (t) => {
  const { run, submit, statusOf, results, batches } = await open(t);
  const { id, outputFileId } = await submit('acme', 10);
  let stopped = 0;
  run('gw', ({ customId }, signal) => {
    if (customId === 'acme-0') return Promise.resolve(200);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        stopped += 1;
        resolve(499);
      });
    });
  });
  await until(async () => (await batches.find(id, 'acme')).completed === 1);
  assert.ok(await batches.move(id, ['in_progress'], 'cancelling'));
  await until(async () => (await statusOf(id, 'acme')) === 'cancelled');
  assert.ok(stopped > 0);
  assert.deepEqual(
    (await results(outputFileId)).map((line) => line.custom_id),
    ['acme-0'],
  );
});

test('expired: what was not run has an error', async (t) => {
  const { run, submit, state, statusOf, results, batches } = await open(t);
  const { id, errorFileId } = await submit('acme', 6);
  run('gw', ({ customId }, signal) => {
    if (customId === 'acme-0') return Promise.resolve(200);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(499));
    });
  });
  await until(async () => (await batches.find(id, 'acme')).completed === 1);
  state.laterMs = DAY_MS;
  await until(async () => (await statusOf(id, 'acme')) === 'expired');
  const errors = await results(errorFileId);
  assert.deepEqual(errors.map((line) => line.custom_id).sort(), names(6).slice(1));
  assert.equal(errors[0].error.code, 'batch_expired');
});

test('another gateway takes over when the first stops', async (t) => {
  const { run, submit, statusOf } = await open(t);
  const first = run('gw-1', async (_, signal) =>
    signal.aborted ? 499 : await Promise.race([never(), onAbort(signal)]),
  );
  const { id } = await submit('acme', 3);
  await until(async () => (await statusOf(id, 'acme')) === 'in_progress');
  run('gw-2', async () => 200);
  await first.stop();
  await until(async () => (await statusOf(id, 'acme')) === 'completed');
});

function onAbort(signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(499));
  });
}

test('lines of a blocked tenant wait until it is unblocked, and hold up no others', async (t) => {
  const { state, run, submit, statusOf } = await open(t);
  state.blocked = 'beta';
  const [beta, acme] = [await submit('beta', 3), await submit('acme', 12)];
  const seen: string[] = [];
  run('one', async ({ tenant }) => {
    seen.push(tenant);
    return 200;
  });
  await until(async () => (await statusOf(acme.id, 'acme')) === 'completed');
  assert.deepEqual([...new Set(seen)], ['acme']);
  assert.equal(await statusOf(beta.id, 'beta'), 'in_progress');
  state.blocked = '';
  await until(async () => (await statusOf(beta.id, 'beta')) === 'completed');
  assert.equal(seen.length, 15);
});
