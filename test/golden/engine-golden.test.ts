// The engine on this CPU against transformers (check-engine.ts).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkEngine } from './check-engine.ts';
import { servedGoldenNames } from './golden-fixtures.ts';

const home = mkdtempSync(join(tmpdir(), 'cv-golden-'));
after(() => rmSync(home, { recursive: true, force: true }));

for (const name of servedGoldenNames()) {
  test(`${name} has transformers' logits`, () => checkEngine(name, home, 'cpu'));
}
