// Quantised weights: the bits of one step of one node, in any chunks and on any nodes.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { expertShape } from '../../../native/model-description.ts';
import type { ModelSession } from '../../../native/model-session.ts';
import { QUANTIZED_FIXTURES } from '../../golden/golden-fixtures.ts';
import { batchOf, LocalGroup, logitsOfStep, openAllPacks, openWholeSession } from '../../local-group.ts';
import { startRedis } from '../../start-redis.ts';

const LENGTH = 60;
const CHUNKS = [1, 30, 7, 22] as const;

const redis = await startRedis({ after }, 'exchange');
const home = await mkdtemp(join(tmpdir(), 'cv-quantised-'));
after(() => rm(home, { recursive: true, force: true }));

type Executor = Pick<ModelSession, 'step'> | LocalGroup['executor'];

/** The logits of all rows: [LENGTH, vocab]. */
async function allRows(executor: Executor, vocab: number, chunks: readonly number[]): Promise<Float32Array> {
  const rows = new Float32Array(LENGTH * vocab);
  let from = 0;
  for (const count of chunks) {
    const tokens = Array.from({ length: count }, (_, offset) => ((from + offset) * 17 + 3) % vocab);
    rows.set(await logitsOfStep(executor, batchOf([{ sequence: 0, tokens, from }], 1), vocab), from * vocab);
    from += count;
  }
  return rows;
}

for (const name of ['mlx-qwen3-moe-bf16', 'gpt-oss-mxfp4-bf16', 'mlx-mixtral-f32']) {
  test(`${name}: one node and two, one chunk and four, have the same bits`, async (t) => {
    const packs = await openAllPacks(join(QUANTIZED_FIXTURES, name), home);
    t.after(() => packs.close());
    const whole = await openWholeSession(packs);
    t.after(() => whole.close());
    const { vocab } = packs.description;
    const expected = await allRows(whole, vocab, [LENGTH]);
    assert.deepEqual(await allRows(whole, vocab, CHUNKS), expected);

    const all = Array.from({ length: expertShape(packs.description).experts }, (_, expert) => expert);
    const experts = [all.filter((id) => id % 2 === 0), all.filter((id) => id % 2 === 1)];
    for (const topology of ['centralized', 'decentralized'] as const) {
      const group = await LocalGroup.open({ packs, exchangeUrl: redis.url, experts, topology });
      await group.use();
      assert.deepEqual(await allRows(group.executor, vocab, CHUNKS), expected, topology);
      await group.close();
    }
  });
}
