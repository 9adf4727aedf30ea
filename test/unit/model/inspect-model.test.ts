import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';

const DBRX = exampleModel(dbrx);

test("counts DBRX's parameters and bytes as the paper's notes do", () => {
  const { parameters, bytes } = inspectModel(DBRX, 1);
  assert.equal(parameters.total, 131_596_523_520);
  assert.equal((parameters.active / 1e9).toFixed(1), '36.5');
  assert.equal(bytes.expert, 15_854_469_120);
  assert.equal(bytes.attention, 7_046_430_720);
  assert.equal(bytes.lmHead, 1_233_125_376);
  // Norms are kept in f32.
  assert.equal(bytes.total, 2 * (parameters.total + parameters.norms));
});

test('gives the fullest of several nodes the experts left over, and every node the shared weights', () => {
  const { share, bytes } = inspectModel(DBRX, 3);
  assert.deepEqual(share, { nodes: 3, expertsPerNode: 6, bytesPerNode: bytes.shared + 6 * bytes.expert });
});

test('counts what a token reads: active experts, and of the embedding nothing to speak of', () => {
  const { parameters, bytes } = inspectModel(DBRX, 1);
  const unread = parameters.embedding + 12 * parameters.expert;
  assert.equal(bytes.perToken, 2 * (parameters.total + parameters.norms - unread));
});
