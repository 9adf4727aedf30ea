// `echo` with log-probabilities on the real engine: those of the prompt are what `conclave logits` gives for it, to the bit, in
// whatever chunks the prompt is computed and with its beginning in the prefix cache.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type GenerationRequest, GREEDY } from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import { readTokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { KV_BLOCK_TOKENS } from '../../../native/model-session.ts';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';
import { generateLocally } from '../../../workers/serve/generate-locally.ts';
import { localExecutor } from '../../../workers/serve/local-executor.ts';
import { DEFAULT_ENGINE, openEngine } from '../../../workers/serve/open-engine.ts';
import { CONSTANT_SHAPE, ConstantTimeScheduler } from '../../constant-time-scheduler.ts';
import { readNpy } from '../../golden/golden-fixtures.ts';
import { requestFixture } from '../../request-fixture.ts';
import { runConclave } from '../../run-conclave.ts';
import { scoreLogits } from '../../sample-logits.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const TOP = 3;
const BLOCKS = 16;
/** Longer than two blocks, so that the prefix cache has some of it. */
const PROMPT = Array.from({ length: 2 * KV_BLOCK_TOKENS + 5 }, (_, at) => (at * 37 + 11) % 250);

test('log-probabilities of a prompt are those of its logits, in any chunks and with a cached prefix', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model', { dtype: 'bf16' });
  const expected = await logprobsOfLogits(folder, home);
  const events = { onProgress: () => undefined, onWait: () => undefined };
  const options = { ...DEFAULT_ENGINE, threads: 2, kvTokens: BLOCKS * KV_BLOCK_TOKENS, maxRows: 128 };
  const engine = await openEngine({ folder, home, packs: 'all', events }, options);
  try {
    const tokenizer = await createTokenizer(await readTokenizerFiles(folder, engine.packs.description.family));
    const executor = localExecutor(engine.session);
    for (const maxRows of [128, 7]) {
      const limits = { ...DEFAULT_ENGINE, blockTokens: KV_BLOCK_TOKENS, maxRows };
      const scheduler = new ConstantTimeScheduler(
        new KvBlockPool(BLOCKS, KV_BLOCK_TOKENS),
        limits,
        CONSTANT_SHAPE,
        null,
      );
      const ask = (change: Partial<GenerationRequest>) =>
        collect(generateLocally({ scheduler, executor, tokenizer }, requestFixture({ prompts: [PROMPT], ...change })));
      for (const maxTokens of [0, 4]) {
        const sampling = { ...GREEDY, logprobs: { top: TOP } };
        const echoed = (await ask({ echo: true, maxTokens, sampling })).flatMap(({ logprobs }) => logprobs ?? []);
        const ofPrompt = echoed.slice(0, PROMPT.length).map(({ id, logprob, top }) => ({ id, logprob, top }));
        assert.deepEqual(ofPrompt, expected, `${maxRows} rows a step, ${maxTokens} tokens`);
        assert.equal(echoed.length, PROMPT.length + maxTokens);
        // Leaves the prompt in the prefix cache.
        const plain = (await ask({ maxTokens: 4, sampling })).flatMap(({ logprobs }) => logprobs ?? []);
        const answer = echoed.slice(PROMPT.length).map(({ id, logprob, top }) => ({ id, logprob, top }));
        assert.deepEqual(
          answer,
          plain.slice(0, maxTokens).map(({ id, logprob, top }) => ({ id, logprob, top })),
        );
      }
    }
  } finally {
    await engine.close();
  }
});

async function logprobsOfLogits(folder: string, home: string) {
  const out = join(home, 'logits.npy');
  const { status, stderr } = runConclave(
    'logits',
    '--model',
    folder,
    '--home',
    home,
    '--tokens',
    PROMPT.join(','),
    '--out',
    out,
  );
  assert.equal(status, 0, stderr);
  const { data, columns: vocab } = readNpy(out);
  const logits = Float32Array.from(data);
  return PROMPT.map((id, at) => {
    if (at === 0) return { id, logprob: null, top: [] };
    const result = scoreLogits(logits.subarray((at - 1) * vocab, at * vocab), id, TOP);
    assert.ok(result.outcome === 'chosen');
    return result.logprob;
  });
}

async function collect(events: AsyncIterable<TokensEvent>): Promise<readonly TokensEvent[]> {
  const all: TokensEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
