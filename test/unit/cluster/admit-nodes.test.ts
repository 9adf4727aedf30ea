import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admitNodes, refusalReason } from '../../../workers/cluster/admit-nodes.ts';
import { nodeReport } from '../../node-report.ts';

const leader = nodeReport('a');

test('a node of another checkpoint or dtype is refused with both hashes', () => {
  const stranger = nodeReport('b', { modelHash: 'cd'.repeat(32), dtype: 'f32' });
  assert.equal(
    refusalReason(stranger, leader),
    'Node b has model demo with checkpoint hash cdcdcdcdcdcdcdcd in f32, but a, which leads group g, has model demo with ' +
      'checkpoint hash abababababababab in bf16. Give both the same checkpoint, or start this node without --model to get ' +
      'it from the others.',
  );
  assert.match(
    refusalReason(nodeReport('b', { dtype: 'f32' }), leader) ?? '',
    /abababababababab in f32, but .* in bf16/,
  );
});

test('a node of another version is refused with both', () => {
  assert.equal(
    refusalReason({ ...nodeReport('b', { protocol: 2 }), version: '0.2.0' }, leader),
    'Node b runs version 0.2.0 (protocol 2, packs 1), but a, which leads group g, runs version 0.1.0 (protocol 1, packs 1). ' +
      'Install the same version, or start this node in a group of its own (worker.group).',
  );
});

test('those alike take part, whatever they hold', () => {
  const bare = nodeReport('b', { experts: [], shared: false, memoryBytes: 5 });
  const stranger = nodeReport('c', { modelHash: 'cd'.repeat(32) });
  const elsewhere = { ...nodeReport('d'), group: 'other' };
  assert.deepEqual(admitNodes([leader, bare, stranger, elsewhere], 'g', 'a'), [leader, bare]);
  assert.deepEqual(admitNodes([bare], 'g', 'a'), [], 'no node before the report of the leader');
});
