import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupPlan, Topology } from '../../../infra/messages/group-plan.ts';
import { KvCoverage } from '../../../workers/cluster/kv-coverage.ts';

function plan(topology: Topology, ...ids: readonly string[]): GroupPlan {
  const members = ids.map((id) => ({ id, incarnation: id, experts: [], shared: true, exchangeUrl: null, speed: 1 }));
  const about = { group: 'g', leader: 'a', numericsClass: 'cpu', modelHash: '', reason: '', createdAtMs: 0 };
  return { ...about, epoch: 1, topology, members };
}

test('before anything is computed every member can attend', () => {
  assert.equal(new KvCoverage().allows(plan('decentralized', 'a', 'b')), true);
});

test('a member that joins lacks what was computed without it, until everything is computed again', () => {
  const kv = new KvCoverage();
  kv.advance(plan('decentralized', 'a', 'b'));
  assert.equal(kv.allows(plan('decentralized', 'a', 'b')), true);
  assert.equal(kv.allows(plan('decentralized', 'a')), true, 'one that left is not missed');
  assert.equal(kv.allows(plan('decentralized', 'a', 'b', 'c')), false);
  kv.forget();
  assert.equal(kv.allows(plan('decentralized', 'a', 'b', 'c')), true);
});

test('one that was out for a step has fallen behind', () => {
  const kv = new KvCoverage();
  kv.advance(plan('decentralized', 'a', 'b'));
  kv.advance(plan('decentralized', 'a'));
  assert.equal(kv.allows(plan('decentralized', 'a', 'b')), false);
});

test('where the leader alone attends, other members neither need nor get KV', () => {
  const kv = new KvCoverage();
  kv.advance(plan('centralized', 'a', 'b'));
  assert.equal(kv.allows(plan('centralized', 'a', 'b', 'c')), true);
  assert.equal(kv.allows(plan('decentralized', 'a', 'b')), false);
});
