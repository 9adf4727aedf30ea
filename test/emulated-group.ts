// Nodes of a group within one process, some of them on the emulated GPU: two Redis servers, a small model, how its nodes are
// started, and what a single CPU answers.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ConfigInput } from '../infra/config/config-schema.ts';
import { readConfig } from '../infra/config/read-config.ts';
import { createLogger } from '../infra/log/logger.ts';
import type { AddonEmulatedGpu } from '../native/addon-types.ts';
import type { ServeOptions } from '../workers/serve/open-node.ts';
import type { StepExecutor } from '../workers/step/run-step.ts';
import { batchOf, openAllPacks, openWholeSession } from './local-group.ts';
import { startRedis } from './start-redis.ts';
import { syntheticModel } from './synthetic-model.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { SMALL_SIZES } from './unit/model/small-model.ts';

const SIZES = { ...SMALL_SIZES, experts: 6, topK: 3 };
const PROMPT = Array.from({ length: 20 }, (_, at) => (at * 17 + 3) % SIZES.vocab);
const NEW_TOKENS = 12;
/** f32 weights: classes differ in the order of sums only. Relative to the largest logit. */
const TOLERANCE = 1e-4;
/** Refuses nothing. */
export const WHOLE_GPU: AddonEmulatedGpu = {
  appleSilicon: true,
  workingSetBytes: 2 ** 46,
  dispatchesUntilLost: Number.MAX_SAFE_INTEGER,
  refusedKernel: '',
};

type Worker = NonNullable<ConfigInput['worker']>;

/** Two Redis servers and a model; -> what a node of a group there is started with. */
export async function groupOf(t: TestContext) {
  const home = await temporaryFolder(t);
  const [durable, exchange] = [await startRedis(t), await startRedis(t, 'exchange')];
  const folder = await syntheticModel(home, 'model', { sizes: SIZES, dtype: 'f32' });
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
export async function generate(executor: StepExecutor): Promise<{ tokens: number[]; logits: Float32Array[] }> {
  const all = [...PROMPT];
  const rows: Float32Array[] = [];
  for (let from = 0; rows.length < NEW_TOKENS; ) {
    const batch = batchOf([{ sequence: 0, tokens: all.slice(from), from }], 2);
    const logits = new Float32Array(batch.logitRows.length * SIZES.vocab);
    await executor.step(batch, logits);
    rows.push(logits.slice(-SIZES.vocab));
    from = all.length;
    all.push(largest(logits.subarray(-SIZES.vocab)));
  }
  return { tokens: all.slice(PROMPT.length), logits: rows };
}

function largest(row: Float32Array): number {
  return row.reduce((best, value, id) => (value > (row[best] ?? 0) ? id : best), 0);
}

export async function generateAlone(folder: string, home: string) {
  const packs = await openAllPacks(folder, home);
  const session = await openWholeSession(packs);
  try {
    return await generate({ vocab: SIZES.vocab, step: (batch, logits) => session.step(batch, logits) });
  } finally {
    await session.close();
    packs.close();
  }
}

/** The group's first tokens are the single node's, up to one whose margin does not exceed the tolerance. */
export function assertSameWhereClear(
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
