import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupPlan } from '../../../infra/messages/group-plan.ts';
import type { NodeReport } from '../../../infra/registry/node-heartbeats.ts';
import { choosePlan, type GroupView } from '../../../workers/cluster/choose-plan.ts';
import { nodeReport } from '../../node-report.ts';

/** What each node is to hold, by id. */
type Wanted = Readonly<Record<string, readonly number[]>>;

function view(nodes: readonly NodeReport[], wanted: Wanted, changes: Partial<GroupView> = {}): GroupView {
  const placed = Object.entries(wanted).map(([id, experts]) => ({ id, experts, shared: true }));
  const placement = { modelHash: 'ab'.repeat(32), nodes: placed };
  return { leader: 'a', active: null, nodes, placement, experts: 4, topology: 'auto', ...changes };
}

/** The plan that a view leads to, in force. */
function activate(of: GroupView): GroupPlan {
  const choice = choosePlan(of);
  assert.ok(choice.kind === 'plan');
  const about = { group: 'g', leader: of.leader, numericsClass: 'cpu', modelHash: '', reason: '', createdAtMs: 0 };
  return { ...about, ...choice.plan, epoch: 1 };
}

/** Experts of each member, and how the plan differs from the one in force. */
function outcome(of: GroupView) {
  const choice = choosePlan(of);
  assert.ok(choice.kind === 'plan');
  const experts = Object.fromEntries(choice.plan.members.map(({ id, experts }) => [id, experts.join()]));
  return { experts, topology: choice.plan.topology, changes: choice.changes };
}

const whole = [0, 1, 2, 3];

test('nodes take part once they hold all that is wanted of them', () => {
  const both = { a: whole, b: [2, 3] };
  const loading = [nodeReport('a'), nodeReport('b', { experts: [2] })];
  assert.deepEqual(outcome(view(loading, both)), {
    experts: { a: '0,1,2,3' },
    topology: 'decentralized',
    changes: 'the leader is new',
  });
  const active = activate(view(loading, both));
  const loaded = [nodeReport('a'), nodeReport('b', { experts: [2, 3] })];
  assert.deepEqual(outcome(view(loaded, both, { active })), {
    experts: { a: '0,1,2,3', b: '2,3' },
    topology: 'decentralized',
    changes: 'b joined',
  });
});

test('a plan that nothing speaks against stays', () => {
  const of = view([nodeReport('a'), nodeReport('b')], { a: whole, b: whole });
  const choice = choosePlan({ ...of, active: activate(of) });
  assert.ok(choice.kind === 'plan');
  assert.equal(choice.changes, '');
});

test('a member keeps its part while it loads what else is wanted of it', () => {
  const nodes = [nodeReport('a', { experts: [0, 1] }), nodeReport('b', { experts: [2, 3] })];
  const active = activate(view(nodes, { a: [0, 1], b: [2, 3] }));
  const moving = view(nodes, { a: whole, b: whole }, { active });
  assert.deepEqual(outcome(moving), { experts: { a: '0,1', b: '2,3' }, topology: 'decentralized', changes: '' });
});

test('an expert that a node need not hold any more leaves the plan, so that the node can release it', () => {
  const nodes = [nodeReport('a'), nodeReport('b')];
  const active = activate(view(nodes, { a: whole, b: whole }));
  const smaller = view(nodes, { a: [0, 1], b: [1, 2, 3] }, { active });
  assert.deepEqual(outcome(smaller), {
    experts: { a: '0,1', b: '1,2,3' },
    topology: 'decentralized',
    changes: 'a holds others, b holds others',
  });
});

test('a lost node leaves the plan where others hold its experts, else the group waits for them by name', () => {
  const nodes = [nodeReport('a', { experts: [0, 1, 2] }), nodeReport('b', { experts: [2, 3] })];
  const wanted = { a: [0, 1, 2], b: [2, 3] };
  const active = activate(view(nodes, wanted));
  const alone = view([nodeReport('a', { experts: [0, 1, 2] })], wanted, { active });
  assert.deepEqual(choosePlan(alone), { kind: 'wait', missing: [3], lacksShared: false });
  const replicated = view([nodeReport('a')], wanted, { active });
  assert.deepEqual(outcome(replicated), {
    experts: { a: '0,1,2,3' },
    topology: 'decentralized',
    changes: 'a holds others, b left',
  });
});

test('a process that was started again under its id is another member', () => {
  const nodes = [nodeReport('a'), nodeReport('b')];
  const active = activate(view(nodes, { a: whole, b: whole }));
  const again = [nodeReport('a'), { ...nodeReport('b'), incarnation: 'second' }];
  const choice = choosePlan(view(again, { a: whole, b: whole }, { active }));
  assert.ok(choice.kind === 'plan');
  assert.equal(choice.changes, 'b was started again');
});

test('a node that leaves is let go unless it alone holds something', () => {
  const leaving = { ...nodeReport('b', { experts: [3] }), leaving: true };
  const wanted = { a: whole };
  assert.deepEqual(outcome(view([nodeReport('a'), leaving], wanted)).experts, { a: '0,1,2,3' });
  const needed = view([nodeReport('a', { experts: [0, 1, 2] }), leaving], wanted);
  assert.deepEqual(outcome(needed).experts, { a: '0,1,2', b: '3' });
});

test('no plan exists before the leader holds attention', () => {
  const nodes = [nodeReport('a', { shared: false }), nodeReport('b')];
  assert.deepEqual(choosePlan(view(nodes, { a: whole, b: whole })), { kind: 'wait', missing: [], lacksShared: true });
});

test('all attend when they are alike, else the leader alone does', () => {
  const topology = (other: NodeReport, wanted: GroupView['topology'] = 'auto') =>
    outcome(view([nodeReport('a'), other], { a: whole, b: whole }, { topology: wanted })).topology;
  assert.equal(topology(nodeReport('b')), 'decentralized');
  assert.equal(topology(nodeReport('b'), 'centralized'), 'centralized');
  assert.equal(topology(nodeReport('b', { numericsClass: 'metal-apple9' }), 'decentralized'), 'centralized');
  assert.equal(topology(nodeReport('b', { kvTokens: 64 })), 'centralized');
  const wantsNone = { a: whole, b: [1] };
  const bare = view([nodeReport('a'), nodeReport('b', { shared: false })], wantsNone);
  assert.equal(outcome({ ...bare, placement: withoutShared(bare) }).topology, 'centralized');
});

function withoutShared({ placement }: GroupView): GroupView['placement'] {
  return { ...placement, nodes: placement.nodes.map((node) => ({ ...node, shared: node.id === 'a' })) };
}
