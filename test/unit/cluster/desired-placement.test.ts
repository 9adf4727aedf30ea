import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countExperts, expertShape } from '../../../native/model-description.ts';
import { desiredPlacement } from '../../../workers/cluster/desired-placement.ts';
import { sharedBytes } from '../../../workers/cluster/memory-slots.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { sizeModel } from '../../../workers/model/size-config.ts';
import { uniformModel } from '../../../workers/model/stored-model.ts';
import { nodeReport } from '../../node-report.ts';
import { familyNamed } from '../model/families/family-checkpoint.ts';
import { SMALL_MODEL, SMALL_SIZES } from '../model/small-model.ts';

const model = SMALL_MODEL;
const { experts } = expertShape(model);
const count = countExperts(model);
const expertBytes = inspectModel(model, 1).bytes.expert;
const shared = sharedBytes(model, { kvTokens: 4_096, shared: true });

/** A node with room for `experts` experts beside attention and KV. */
function node(id: string, slots: number, maxExperts: number | null = null) {
  const memoryBytes = shared + slots * expertBytes;
  return nodeReport(id, { experts: [], shared: false, memoryBytes, maxExperts });
}

function wanted(...nodes: readonly ReturnType<typeof node>[]) {
  return desiredPlacement({ model, leader: 'a', nodes, counts: null }).nodes;
}

test('nodes with room enough hold everything', () => {
  const whole = [...Array(count).keys()];
  const expected = ['a', 'b'].map((id) => ({ id, experts: whole, shared: true }));
  assert.deepEqual(wanted(node('a', experts), node('b', experts + 5)), expected);
});

test('experts are divided where they have to be, none left out', () => {
  const placed = wanted(node('a', experts - 1), node('b', 1));
  assert.deepEqual(
    placed.flatMap((each) => each.experts).sort((a, b) => a - b),
    [...Array(count).keys()],
  );
  assert.deepEqual(
    placed.map((each) => each.shared),
    [true, true],
  );
});

test('attention stays with the leader where it would take room that experts need', () => {
  const small = node('b', 0);
  const roomy = nodeReport('b', { ...small.holdings, memoryBytes: experts * expertBytes });
  const placed = wanted(node('a', 0), roomy);
  assert.deepEqual(
    placed.map((each) => each.shared),
    [true, false],
  );
  assert.equal(placed[1]?.experts.length, count);
});

test('an operator may want a node to hold less than fits', () => {
  assert.equal(wanted(node('a', experts), node('b', experts, 1))[1]?.experts.length, 2, 'one of each layer');
});

test('a dense model is with the leader alone, and refused where it does not fit', () => {
  const dense = uniformModel(sizeModel(familyNamed('qwen3'), SMALL_SIZES).outline, 'bf16');
  const needed = sharedBytes(dense, { kvTokens: 4_096, shared: true });
  const placed = (memoryBytes: number) => {
    const nodes = ['a', 'b'].map((id) => nodeReport(id, { experts: [], shared: false, memoryBytes }));
    return desiredPlacement({ model: dense, leader: 'a', nodes, counts: null }).nodes;
  };
  assert.deepEqual(placed(needed), [
    { id: 'a', experts: [], shared: true },
    { id: 'b', experts: [], shared: false },
  ]);
  assert.throws(() => placed(needed - 1), {
    code: 'bad_config',
    message: /A dense model cannot be shared among nodes/,
  });
});

test('a model that does not fit is refused with its size and the room of each node', () => {
  const nodes = [node('a', 1), node('b', 0, 0)];
  const sizes = '0\\.[0-9]+ GB';
  assert.throws(() => wanted(...nodes), {
    code: 'bad_config',
    message: new RegExp(
      `^The model's ${experts} experts of ${sizes} over all layers, attention of ${sizes} and the KV cache, do not fit into the nodes' ` +
        `memory, which has room for a 1 \\(${sizes}\\), b 0 \\(${sizes}\\)\\. ` +
        'Add a node with `conclave node --join`, or raise worker\\.memoryBytes\\.$',
    ),
  });
});
