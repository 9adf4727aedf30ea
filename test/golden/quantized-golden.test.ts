// Quantised checkpoints on this CPU against transformers on the dequantised weights (quantized/generate.py).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkFixture } from './check-engine.ts';
import { goldenNames, QUANTIZED_FIXTURES, readGolden } from './golden-fixtures.ts';

const home = mkdtempSync(join(tmpdir(), 'cv-quantized-'));
after(() => rmSync(home, { recursive: true, force: true }));

for (const name of goldenNames(QUANTIZED_FIXTURES)) {
  test(`${name} has transformers' logits`, () => checkFixture(readGolden(name, QUANTIZED_FIXTURES), home, 'cpu'));
}
