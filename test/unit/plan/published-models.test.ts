import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { PUBLISHED_NAMES, publishedModel } from '../../../workers/plan/published-models.ts';

/** Gigabytes of the files that are published under these names. */
const PUBLISHED_SIZES = {
  'gpt-oss-20b-mxfp4': 13.8,
  'gpt-oss-120b-mxfp4': 65.2,
  'qwen3-30b-a3b-bf16': 61.1,
  'qwen3-30b-a3b-4bit': 17.2,
  'qwen3-235b-a22b-4bit': 132.3,
} as const;

test('published checkpoints have the sizes of their files', () => {
  for (const [name, gigabytes] of Object.entries(PUBLISHED_SIZES)) {
    const model = publishedModel(name);
    assert.ok(model !== null && PUBLISHED_NAMES.includes(name), name);
    const actual = inspectModel(model, 1).bytes.total / 1e9;
    assert.ok(Math.abs(actual / gigabytes - 1) < 0.01, `${name}: ${actual}`);
  }
});

test('a name that is not published has no model', () => {
  assert.equal(publishedModel('qwen3-30b-a3b-3bit'), null);
  assert.equal(publishedModel('dbrx'), null);
});

test('a report names the formats of each part', () => {
  const model = publishedModel('gpt-oss-20b-mxfp4');
  assert.ok(model !== null);
  assert.deepEqual(inspectModel(model, 1).formatsOfParts, {
    embedding: ['bf16'],
    attention: ['bf16'],
    routers: ['bf16'],
    lmHead: ['bf16'],
    expert: ['e2m1-g32-e8m0'],
  });
});
