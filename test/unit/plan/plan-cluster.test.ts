import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expertShape } from '../../../native/model-description.ts';
import { kvBytesPerToken } from '../../../workers/cluster/memory-slots.ts';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';
import { costOf } from '../../../workers/plan/cost.ts';
import { type ClusterInput, type ClusterPlan, planCluster } from '../../../workers/plan/plan-cluster.ts';
import { skewedCounts } from '../../../workers/plan/skewed-counts.ts';
import { familyNamed } from '../model/families/family-checkpoint.ts';
import { plannedNodes } from './planned-nodes.ts';

const INPUT: ClusterInput = {
  model: exampleModel(dbrx),
  nodes: plannedNodes(4),
  link: { name: 'test', latencySeconds: 1e-3, perNodeSeconds: 0, bytesPerSecond: 1.25e9, stepSeconds: 0 },
  software: { layerSeconds: 0, stepSeconds: 0, computeHidden: true },
  topology: 'decentralized',
  policy: 'overlap',
  streams: 1,
  context: 2_048,
  counts: null,
};

const plan = (changes: Partial<ClusterInput>): ClusterPlan => planCluster({ ...INPUT, ...changes });
const rate = (changes: Partial<ClusterInput>): number => plan(changes).step.tokensPerSecond;

test('holds to the memory of every node, and says so', () => {
  for (const { usedBytes, memoryBytes, experts } of plan({}).members) {
    assert.ok(usedBytes <= memoryBytes);
    for (const ofLayer of experts) assert.ok(ofLayer.length === 8 || ofLayer.length === 9);
  }
  assert.equal(plan({}).survivesAnyLoss, true);
  assert.equal(plan({ nodes: plannedNodes(3) }).survivesAnyLoss, false);
});

test('a longer context takes the place of experts', () => {
  assert.equal(plan({ context: 100_000 }).members[0]?.experts.at(-1)?.length, 7);
});

test('adds up: causes make the whole, and communication is latency and transfer', () => {
  const { seconds, totalSeconds, communicationShare, tokensPerSecond } = plan({ streams: 3 }).step;
  const sum = Object.values(seconds).reduce((total, part) => total + part, 0);
  assert.ok(Math.abs(sum - totalSeconds) < 1e-12);
  assert.ok(Math.abs((seconds.latency + seconds.transfer) / sum - communicationShare) < 1e-12);
  assert.ok(Math.abs(3 / sum - tokensPerSecond) < 1e-9);
});

test('one node alone exchanges nothing and reads every active weight once', () => {
  const { seconds } = plan({ nodes: plannedNodes(1, { memoryBytes: 400e9 }) }).step;
  assert.equal(seconds.latency + seconds.transfer, 0);
  const activeBytes = 4 * 15.854e9 + 7.046e9 + 1.233e9 + 0.0079e9 + 2_048 * 163_840;
  assert.ok(Math.abs(seconds.load - activeBytes / 800e9) < 1e-5);
});

test('nodes of one host share its memory: two there are no faster than one, on two hosts they are', () => {
  const none = { name: 'none', latencySeconds: 0, perNodeSeconds: 0, bytesPerSecond: 1e15, stepSeconds: 0 };
  const [alone, apart] = [plannedNodes(1, { memoryBytes: 1e12 }), plannedNodes(2, { memoryBytes: 1e12 })];
  const together = plannedNodes(2, { memoryBytes: 1e12, host: 'same' });
  assert.ok(rate({ nodes: together, link: none }) < rate({ nodes: alone, link: none }));
  assert.ok(rate({ nodes: apart, link: none }) > 1.5 * rate({ nodes: alone, link: none }));
});

test('threads that cannot use up the memory leave some to other nodes of the host', () => {
  const none = { name: 'none', latencySeconds: 0, perNodeSeconds: 0, bytesPerSecond: 1e15, stepSeconds: 0 };
  const half = { memoryBytes: 1e12, host: 'same', bytesPerSecond: 400e9 };
  const ratio = rate({ nodes: plannedNodes(2, half), link: none }) / rate({ nodes: plannedNodes(1, half), link: none });
  assert.ok(ratio > 1.5 && ratio < 2, `${ratio}`);
});

test('centralized costs two exchanges a layer, and frees memory of the others', () => {
  const [central, decentral] = [plan({ topology: 'centralized' }), plan({})];
  assert.ok(central.step.seconds.latency > 1.9 * decentral.step.seconds.latency);
  assert.deepEqual(
    central.members.map(({ shared }) => shared),
    [true, false, false, false],
  );
  const held = ({ members }: ClusterPlan): number => members[1]?.experts.flat().length ?? 0;
  assert.ok(held(central) > held(decentral));
});

test('a layer whose experts are all where they are wanted waits for no exchange', () => {
  // Two nodes with half of 16 experts each, 4 selected: C(8,4) of C(16,4) choices are all on the leader, as many on the other.
  const alone = 70 / 1820;
  const two = { nodes: plannedNodes(2), policy: 'disjoint' } as const;
  const latency = (topology: 'centralized' | 'decentralized') => plan({ ...two, topology }).step.seconds.latency;
  assert.ok(Math.abs(latency('centralized') - 40 * 2 * (1 - alone) * 1e-3) < 1e-12);
  assert.ok(Math.abs(latency('decentralized') - 40 * (1 - 2 * alone ** 2) * 1e-3) < 1e-12);
});

test('left to choose, takes the quicker topology that fits', () => {
  const auto = rate({ topology: null });
  assert.equal(auto, Math.max(rate({ topology: 'centralized' }), rate({})));
  // Attention does not fit beside an expert on small nodes, experts alone do.
  const small = [...plannedNodes(1), ...plannedNodes(8, { memoryBytes: 17e9 })];
  assert.equal(plan({ topology: null, nodes: small }).topology, 'centralized');
});

test("policies line up as the paper's do: busy full, groups, then overlapping replicas", () => {
  const rates = (['busy-full', 'groups', 'overlap'] as const).map((policy) => rate({ policy }));
  assert.deepEqual(
    rates,
    rates.toSorted((left, right) => left - right),
  );
  assert.equal(plan({ policy: 'busy-full' }).step.busiestExperts, 8);
  assert.equal(plan({ policy: 'groups' }).step.busiestExperts.toFixed(3), '1.569');
  assert.equal(plan({ policy: 'disjoint' }).step.busiestExperts.toFixed(3), '1.969');
});

test('routing counts shift replicas to the experts used most', () => {
  const counts = new Float64Array(40 * 16).fill(1);
  counts[7 * 16 + 5] = 200;
  const { members } = plan({ nodes: plannedNodes(3), counts });
  const holders = (layer: number): number => members.filter(({ experts }) => experts[layer]?.includes(5)).length;
  assert.equal(holders(7), 3);
  assert.ok(holders(8) < 3, 'only in the layer where it is hot');
});

test('replicas even out what is popular: 128 experts, top-8, a quarter of the slots spare, popularity 1/rank', () => {
  const model = exampleModel(familyNamed('qwen3_moe'));
  const counts = skewedCounts(model, 1);
  const { layers, experts } = expertShape(model);
  const nodes = plannedNodes(4, { maxExperts: (experts / 4) * 1.25 });
  const share = (changes: Partial<ClusterInput>): number => plan({ model, nodes, ...changes }).step.busiestShare;
  assert.deepEqual([layers.length, experts], [48, 128]);
  assert.ok(share({ counts }) <= 1.12, `${share({ counts })}`);
  assert.ok(share({ counts, policy: 'disjoint' }) > 1.3, 'without replicas');
});

test('a better machine, link or residual never decodes slower', () => {
  const factor = fc.double({ min: 1, max: 4, noNaN: true });
  fc.assert(
    fc.property(factor, factor, fc.integer({ min: 2, max: 5 }), (speed, link, count) => {
      const nodes = plannedNodes(count);
      const faster = plannedNodes(count, { bytesPerSecond: 800e9 * speed, hostBytesPerSecond: 800e9 * speed });
      const slow = { ...INPUT.link, latencySeconds: 1e-3 * link, bytesPerSecond: 1.25e9 / link };
      assert.ok(rate({ nodes: faster }) >= rate({ nodes }));
      assert.ok(rate({ nodes, link: slow }) <= rate({ nodes }));
    }),
    { numRuns: 10 },
  );
});

test('refuses what cannot be, naming it', () => {
  assert.throws(() => plan({ nodes: [] }), { code: 'bad_config', param: 'nodes' });
  assert.throws(() => plan({ nodes: plannedNodes(1) }), { code: 'bad_config', message: /room for 8 experts/ });
  assert.throws(() => plan({ policy: 'disjoint', nodes: plannedNodes(1) }), {
    code: 'bad_config',
    message: /n0: its memory has room for 8 experts, .* needs 16/,
  });
  assert.throws(() => plan({ counts: new Float64Array(3) }), {
    code: 'bad_config',
    message: /40 layers and 16 experts/,
  });
});

test('a dense model is planned on one node, which reads all of it for each token', () => {
  const model = exampleModel(familyNamed('llama'));
  const { members, step, survivesAnyLoss } = plan({ model, nodes: plannedNodes(1) });
  assert.deepEqual(members[0]?.experts, []);
  assert.equal(survivesAnyLoss, false);
  const bytes = inspectModel(model, 1).bytes.perToken + INPUT.context * kvBytesPerToken(model);
  // Norms are read too, but not counted.
  assert.ok(Math.abs(step.seconds.load / (bytes / 800e9) - 1) < 1e-3);
  assert.throws(() => plan({ model }), {
    code: 'bad_config',
    message: 'A llama model is dense: it has no experts to distribute over 4 nodes. Use one node.',
  });
  assert.throws(() => plan({ model, nodes: plannedNodes(1, { memoryBytes: 10e9 }) }), {
    code: 'bad_config',
    message: /^n0: the model takes 163\d+ bytes of 10000000000 that it may use\.$/,
  });
});

test('dense layers of a MoE model are read, and exchange nothing', () => {
  const model = exampleModel(familyNamed('glm4_moe'));
  const { seconds } = plan({ model, topology: 'centralized', nodes: plannedNodes(2, { memoryBytes: 400e9 }) }).step;
  const layers = expertShape(model).layers.length;
  assert.equal(layers, 45);
  assert.ok(seconds.latency <= 2 * layers * INPUT.link.latencySeconds);
});

test('cost: a host is paid once, and the ratio is tokens per dollar over those of the alternative', () => {
  const assumptions = { years: 1, utilization: 1, dollarsPerKilowattHour: 0.1 };
  const alternative = { name: 'h100', dollars: 289_000, tokensPerSecond: 112.5 };
  // The paper's comparison: 5.9 tok/s of two Macs for $13,198.
  const cost = costOf(plannedNodes(2), 5.9, assumptions, alternative);
  assert.equal(cost?.dollars, 13_198);
  assert.equal(cost?.ratioToAlternative?.toFixed(2), '1.15');
  assert.equal(costOf(plannedNodes(2, { host: 'same' }), 5.9, assumptions, null)?.dollars, 6_599);
  assert.equal(costOf(plannedNodes(2, { dollars: 0 }), 5.9, assumptions, null), null);
  const perSecond = 13_198 / (365.25 * 86_400) + (590 * 0.1) / 3.6e6;
  assert.ok(Math.abs((cost?.dollarsPerMillionTokens ?? 0) - (perSecond / 5.9) * 1e6) < 1e-9);
});
