import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { demoEval } from '../../../infra/cli/demo-eval/demo-eval.ts';
import { readHeldOut, readRecordedAnswers } from '../../../infra/cli/demo-eval/held-out.ts';
import { DEMO_MODEL } from '../../../infra/package-facts.ts';

test('an unknown skill is refused with the names of those there are', async () => {
  await assert.rejects(demoEval({ model: DEMO_MODEL, skill: 'chess' }), /--skill chess: expected one of arithmetic, /);
});

test('a URL without a key is refused', async () => {
  await assert.rejects(demoEval({ model: DEMO_MODEL, url: 'http://127.0.0.1:1' }), /--url and --key together/);
});

test('a server that does not answer is named', async () => {
  const options = { model: DEMO_MODEL, skill: 'facts', url: 'http://127.0.0.1:1', key: 'cvk_none' };
  await assert.rejects(demoEval(options), /No gateway answers at http:\/\/127\.0\.0\.1:1/);
});

test('a missing file is named, with where it comes from', () => {
  assert.throws(() => readRecordedAnswers('/nowhere/answers.json'), /\/nowhere\/answers\.json.*README/);
});

test('a broken line is named', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cv-eval-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'heldout.jsonl');
  writeFileSync(path, '{"id": "facts-00", "check": "maybe"}\n');
  assert.throws(() => readHeldOut(path), /heldout\.jsonl:1 is not what infra\/demo-model writes/);
});
