// Nodes that compute on a CPU and nodes that compute on a GPU form one group: the leader attends, each computes the experts it
// holds. Their bits differ, so what is promised is the most likely token wherever it is clear which one that is.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { ConfigInput } from '../../../infra/config/config-schema.ts';
import { readConfig } from '../../../infra/config/read-config.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { createLogger } from '../../../infra/log/logger.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { readPlan } from '../../../infra/registry/group-plans.ts';
import type { AddonPretendedGpu } from '../../../native/addon-types.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { readLease } from '../../../workers/cluster/lease.ts';
import { CanaryCheck } from '../../../workers/serve/canary-check.ts';
import type { ServeOptions } from '../../../workers/serve/open-node.ts';
import { leadFor, serveModel } from '../../../workers/serve/serve-model.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { batchOf, openAllPacks, openWholeSession } from '../../local-group.ts';
import { startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_OUTLINE } from '../../unit/model/small-outline.ts';

const OUTLINE = { ...SMALL_OUTLINE, router: { ...SMALL_OUTLINE.router, experts: 6, topK: 3 } };
const PROMPT = Array.from({ length: 20 }, (_, at) => (at * 17 + 3) % OUTLINE.vocab);
const NEW_TOKENS = 12;
/** f32 weights: classes differ in the order of sums only. Relative to the largest logit. */
const TOLERANCE = 1e-4;
const WHOLE_GPU: AddonPretendedGpu = {
  appleSilicon: true,
  workingSetBytes: 2 ** 46,
  dispatchesUntilLost: Number.MAX_SAFE_INTEGER,
  refusedKernel: '',
};

type Worker = NonNullable<ConfigInput['worker']>;

/** Two Redis servers and a model; -> what a node of a group there is started with. */
async function groupOf(t: TestContext) {
  const home = await temporaryFolder(t);
  const [durable, exchange] = [await startRedis(t), await startRedis(t, 'exchange')];
  const folder = await syntheticModel(home, 'model', { model: OUTLINE, dtype: 'f32' });
  const options = (nodeId: string, worker: Worker): ServeOptions => {
    const file = join(home, `${nodeId}.yaml`);
    writeFileSync(file, JSON.stringify({ worker: { threads: 1, kvTokens: 256, leaseSeconds: 10, ...worker } }));
    const env = { REDIS_URL: durable.url, EXCHANGE_URL: exchange.url, CONCLAVE_HOME: home };
    return {
      config: readConfig({ config: file }, env),
      folder,
      name: null,
      nodeId,
      log: createLogger('test', 'fatal'),
    };
  };
  return { home, folder, url: durable.url, options };
}

/** Greedy tokens and their logits, one row each. */
async function generate(executor: StepExecutor): Promise<{ tokens: number[]; logits: Float32Array[] }> {
  const all = [...PROMPT];
  const rows: Float32Array[] = [];
  for (let from = 0; rows.length < NEW_TOKENS; ) {
    const batch = batchOf([{ sequence: 0, tokens: all.slice(from), from }], 2);
    const logits = new Float32Array(batch.logitRows.length * OUTLINE.vocab);
    await executor.step(batch, logits);
    rows.push(logits.slice(-OUTLINE.vocab));
    from = all.length;
    all.push(largest(logits.subarray(-OUTLINE.vocab)));
  }
  return { tokens: all.slice(PROMPT.length), logits: rows };
}

function largest(row: Float32Array): number {
  return row.reduce((best, value, id) => (value > (row[best] ?? 0) ? id : best), 0);
}

async function isLed(redis: Redis): Promise<void> {
  while ((await readLease(redis, 'main')) === null) await delay(10);
}

async function generateAlone(folder: string, home: string) {
  const packs = await openAllPacks(folder, home);
  const session = await openWholeSession(packs);
  try {
    return await generate({ vocab: OUTLINE.vocab, step: (batch, logits) => session.step(batch, logits) });
  } finally {
    await session.close();
    packs.close();
  }
}

/** The group's first tokens are the single node's, up to one whose margin does not exceed the tolerance. */
function assertSameWhereClear(
  group: Awaited<ReturnType<typeof generate>>,
  alone: Awaited<ReturnType<typeof generate>>,
) {
  let clear = 0;
  for (const [at, expected] of alone.logits.entries()) {
    const sorted = [...expected].sort((a, b) => b - a);
    const scale = Math.max(...expected.map(Math.abs));
    const error = expected.reduce(
      (most, value, id) => Math.max(most, Math.abs(value - (group.logits[at]?.[id] ?? NaN))),
      0,
    );
    assert.ok(error <= TOLERANCE * scale, `token ${at}: logits differ by ${error / scale} of the largest`);
    if ((sorted[0] ?? 0) - (sorted[1] ?? 0) <= 2 * TOLERANCE * scale) break;
    assert.equal(group.tokens[at], alone.tokens[at], `token ${at}`);
    clear += 1;
  }
  assert.ok(clear >= NEW_TOKENS / 2, `only ${clear} tokens are clear`);
}

for (const [leads, follows] of [
  ['cpu', 'metal-emulated'],
  ['metal-emulated', 'cpu'],
] as const) {
  test(`a leader on ${leads} and a member on ${follows} answer as one CPU does`, async (t) => {
    loadAddon().pretendGpu(WHOLE_GPU);
    const { home, folder, url, options } = await groupOf(t);
    const stop = new AbortController();
    const redis = connectRedis({ url, role: 'durable', name: 'test', patience: 'forever' });
    // Neither has room for all experts: the group computes when both are there.
    const following = isLed(redis).then(() =>
      serveModel(options('b', { backend: follows, maxExperts: 4 }), stop.signal),
    );
    try {
      const leader = options('a', { backend: leads, maxExperts: 4 });
      const group = await leadFor(
        leader,
        2,
        () => {},
        async (_, executor) => {
          const plan = await readPlan(redis, 'main');
          assert.equal(plan?.topology, 'centralized');
          const classes = { cpu: 'cpu', 'metal-emulated': 'metal-emulated-matrices' };
          assert.equal(plan?.numericsClass, `${classes[leads]}+${classes[follows]}`);
          return generate(executor);
        },
      );
      assertSameWhereClear(group, await generateAlone(folder, home));
    } finally {
      stop.abort();
      await following;
      redis.disconnect();
    }
  });
}

test('a mixed group whose logits are far from what the leader alone computes is refused', async (t) => {
  const { url, options } = await groupOf(t);
  const redis = connectRedis({ url, role: 'durable', name: 'test', patience: 'forever' });
  try {
    await leadFor(
      options('a', { backend: 'cpu' }),
      1,
      () => {},
      async (node, executor) => {
        const plan = await readPlan(redis, 'main');
        assert.ok(plan !== null);
        const mixed = { ...plan, numericsClass: 'cpu+metal-apple8-matrices' };
        const canary = new CanaryCheck(node, () => []);
        const off = (share: number): StepExecutor => ({
          vocab: executor.vocab,
          step: async (batch, logits) => {
            await executor.step(batch, logits);
            for (const [at, value] of logits.entries()) logits[at] = value * (1 + share * (at % 2 === 0 ? 1 : -1));
          },
        });
        await canary.check(off(0.01), mixed);
        await assert.rejects(
          canary.check(off(0.5), mixed),
          (thrown) =>
            thrown instanceof DomainError && /0\.500 of their size away.*the plan is refused/.test(thrown.message),
        );
        await assert.rejects(canary.check(off(0.01), plan), /computes wrongly; the plan is refused/);
      },
    );
  } finally {
    redis.disconnect();
  }
});

test('a member whose GPU is lost ends, and the group goes on without it', async (t) => {
  const { home, folder, options } = await groupOf(t);
  const stop = new AbortController();
  let ended: Promise<unknown> = Promise.resolve();
  const follow = () => {
    // Enough for the canary's steps and a few more.
    loadAddon().pretendGpu({ ...WHOLE_GPU, dispatchesUntilLost: 60 });
    ended = serveModel(options('b', { backend: 'metal-emulated' }), stop.signal).then(
      () => null,
      (thrown: unknown) => thrown,
    );
  };
  try {
    const group = await leadFor(options('a', { backend: 'cpu' }), 2, follow, (_, executor) => generate(executor));
    assertSameWhereClear(group, await generateAlone(folder, home));
    const why = await ended;
    assert.ok(why instanceof DomainError && why.code === 'native_error', String(why));
    assert.match(why.message, /This node computes no more: the GPU gave up a step: .*; restart this node\./);
  } finally {
    stop.abort();
    loadAddon().pretendGpu(WHOLE_GPU);
  }
});

test('a leader whose GPU is lost ends, saying why', async (t) => {
  const { options } = await groupOf(t);
  loadAddon().pretendGpu({ ...WHOLE_GPU, dispatchesUntilLost: 400 });
  try {
    await assert.rejects(
      leadFor(
        options('a', { backend: 'metal-emulated' }),
        1,
        () => {},
        async (_, executor) => {
          for (;;) await generate(executor);
        },
      ),
      (thrown) =>
        thrown instanceof DomainError && /This node computes no more: .*restart this node/.test(thrown.message),
    );
  } finally {
    loadAddon().pretendGpu(WHOLE_GPU);
  }
});

test('a node whose GPU has too little memory says what to do', async (t) => {
  const { options } = await groupOf(t);
  loadAddon().pretendGpu({ ...WHOLE_GPU, workingSetBytes: 100_000 });
  try {
    await assert.rejects(
      serveModel(options('a', { backend: 'metal-emulated' }), new AbortController().signal),
      (thrown) =>
        thrown instanceof DomainError &&
        /may hold 0\.0 GiB; raise the limit with: sudo sysctl iogpu/.test(thrown.message),
    );
  } finally {
    loadAddon().pretendGpu(WHOLE_GPU);
  }
});
