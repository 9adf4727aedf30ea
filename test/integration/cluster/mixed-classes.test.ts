// Nodes that compute on a CPU and nodes that compute on a GPU form one group: the leader attends, each computes the experts it
// holds. Their bits differ, so what is promised is the most likely token wherever it is clear which one that is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { readPlan } from '../../../infra/registry/group-plans.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { readLease } from '../../../workers/cluster/lease.ts';
import { CanaryCheck } from '../../../workers/serve/canary-check.ts';
import { leadFor, serveModel } from '../../../workers/serve/serve-model.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { assertSameWhereClear, generate, generateAlone, groupOf, WHOLE_GPU } from '../../emulated-group.ts';

async function isLed(redis: Redis): Promise<void> {
  while ((await readLease(redis, 'main')) === null) await delay(10);
}

for (const [leads, follows] of [
  ['cpu', 'metal-emulated'],
  ['metal-emulated', 'cpu'],
] as const) {
  test(`a leader on ${leads} and a member on ${follows} answer as one CPU does`, async (t) => {
    loadAddon().setEmulatedGpu(WHOLE_GPU);
    const { home, folder, url, options } = await groupOf(t);
    const stop = new AbortController();
    const redis = connectRedis({ url, role: 'durable', name: 'test', retry: 'forever' });
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
  const redis = connectRedis({ url, role: 'durable', name: 'test', retry: 'forever' });
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
            assert.ok(logits instanceof Float32Array);
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
        await assert.rejects(canary.check(off(0.01), plan), /computes wrongly, so the plan is refused/);
      },
    );
  } finally {
    redis.disconnect();
  }
});
