// The Metal backend on the emulated GPU, products in matrices, against transformers: the bars of the CPU. Products in lanes
// have the CPU's bits for any model (test/native/metal), so that the CPU's goldens are theirs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DEFAULT_ENGINE, openEngine } from '../../workers/serve/open-engine.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { runConclave } from '../run-conclave.ts';
import { checkEngine, checkFirstLogits, largest, logitsOf } from './check-engine.ts';
import { type Matrix, servedGoldenNames } from './golden-fixtures.ts';

const home = mkdtempSync(join(tmpdir(), 'cv-metal-golden-'));
after(() => rmSync(home, { recursive: true, force: true }));

// Whole, with greedy tokens: six KV blocks, and each type of weights.
const WHOLE = ['f32-long', 'f16-kv2-top2', 'bf16-kv1-top4-odd'];
// Of the others what a kernel tells apart: whole tiles of 32 rows and one that is not full, and three KV blocks.
const FIRST_ROWS = 2 * 64 + 2;

for (const name of servedGoldenNames()) {
  test(`${name} has transformers' logits on the emulated GPU`, () =>
    WHOLE.includes(name)
      ? checkEngine(name, home, 'metal-emulated')
      : checkFirstLogits(name, home, 'metal-emulated', FIRST_ROWS));
}

const DEMO = join(REPOSITORY_ROOT, 'models', 'demo');

/** What `conclave generate` answers, as token ids. */
function answer(prompt: string, tokens: number, backend: string): number[] {
  const args = [
    '--model',
    DEMO,
    '--home',
    home,
    '--chat',
    '--prompt',
    prompt,
    '--max-tokens',
    String(tokens),
    '--json',
  ];
  return JSON.parse(runConclave('generate', ...args, '--backend', backend).stdout).token_ids;
}

async function demoLogits(tokens: readonly number[], backend: 'cpu' | 'metal-emulated'): Promise<Matrix> {
  const events = { onProgress: () => {}, onWait: () => {} };
  const load = { folder: DEMO, home, packs: 'all', events } as const;
  const engine = await openEngine(load, { ...DEFAULT_ENGINE, backend, kvTokens: 1024 });
  try {
    return await logitsOf(engine.session, tokens, [...tokens.keys()]);
  } finally {
    await engine.close();
  }
}

test('the demo model answers alike on CPU and emulated GPU', () => {
  assert.deepEqual(answer('Who are you?', 6, 'metal-emulated'), answer('Who are you?', 6, 'cpu'));
});

test("the demo model's most likely tokens are the CPU's wherever the margin exceeds the tolerance", async () => {
  const tokens = answer('Count to 20.', 32, 'cpu');
  const [cpu, gpu] = [await demoLogits(tokens, 'cpu'), await demoLogits(tokens, 'metal-emulated')];
  // bf16: a share of the largest logit, as in test/native/metal.
  const tolerance = 0.03 * cpu.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let decided = 0;
  for (const position of tokens.keys()) {
    const row = cpu.data.subarray(position * cpu.columns, (position + 1) * cpu.columns);
    const other = gpu.data.subarray(position * cpu.columns, (position + 1) * cpu.columns);
    const best = largest(row);
    const second = row.reduce(
      (next, value, id) => (id === best ? next : Math.max(next, value)),
      Number.NEGATIVE_INFINITY,
    );
    const error = row.reduce((most, value, id) => Math.max(most, Math.abs(value - (other[id] ?? Number.NaN))), 0);
    assert.ok(error <= tolerance, `position ${position}: logits differ by ${error}, tolerance ${tolerance}`);
    if ((row[best] ?? 0) - second <= 2 * tolerance) continue;
    decided += 1;
    assert.equal(largest(other), best, `position ${position}`);
  }
  assert.ok(decided >= 14, `only ${decided} of ${tokens.length} positions have a margin`);
});
