import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';
import { type CalibrationInput, calibrate, type ReadRates } from '../../../workers/plan/calibrate.ts';
import { planCluster } from '../../../workers/plan/plan-cluster.ts';
import { plannedNodes } from './planned-nodes.ts';

const rates: ReadRates = { bytesPerSecond: 500e9, hostBytesPerSecond: 800e9 };
const nodesOf = (count: number, read: ReadRates) => plannedNodes(count, { ...read, memoryBytes: 1e12, host: 'here' });
const INPUT: Omit<CalibrationInput, 'steps'> = {
  model: exampleModel(dbrx),
  rates,
  nodesOf,
  topology: 'decentralized',
  policy: 'overlap',
  streams: 1,
  context: 64,
  counts: null,
  linkBytesPerSecond: 1e9,
};

for (const topology of ['centralized', 'decentralized'] as const) {
  test(`gives back what a ${topology} machine was made with`, () => {
    const delays = { latencySeconds: 120e-6, perNodeSeconds: 30e-6, stepSeconds: 700e-6 };
    const link = { name: 'made', ...delays, bytesPerSecond: 1e9 };
    const software = { layerSeconds: 20e-6, stepSeconds: 0, computeHidden: true };
    const steps = [1, 2, 4].map((nodes) => {
      const plan = planCluster({ ...INPUT, topology, link, software, nodes: nodesOf(nodes, rates) });
      return { nodes, secondsPerStep: plan.step.totalSeconds, aroundSeconds: nodes === 1 ? 0 : 700e-6 };
    });
    const found = calibrate({ ...INPUT, topology, steps });
    assert.equal(found.link.stepSeconds, 700e-6);
    assert.ok(Math.abs(found.link.latencySeconds - 120e-6) < 1e-9);
    assert.ok(Math.abs(found.link.perNodeSeconds - 30e-6) < 1e-9);
    assert.ok(Math.abs(found.software.layerSeconds - 20e-6) < 1e-9);
  });
}

test('takes the steps at their word when the probe read slower than they did', () => {
  const free = { name: 'free', latencySeconds: 0, perNodeSeconds: 0, bytesPerSecond: 1e9, stepSeconds: 0 };
  const software = { layerSeconds: 0, stepSeconds: 0, computeHidden: true };
  const steps = [1, 2].map((nodes) => {
    const plan = planCluster({ ...INPUT, link: free, software, nodes: nodesOf(nodes, rates) });
    return { nodes, secondsPerStep: plan.step.totalSeconds, aroundSeconds: 0 };
  });
  const disturbed = { bytesPerSecond: 250e9, hostBytesPerSecond: 400e9 };
  const found = calibrate({ ...INPUT, rates: disturbed, steps });
  assert.ok(Math.abs(found.rates.bytesPerSecond / 500e9 - 1) < 1e-9);
  assert.equal(found.software.layerSeconds, 0);
});

test('says which measurement is missing', () => {
  assert.throws(() => calibrate({ ...INPUT, steps: [{ nodes: 2, secondsPerStep: 1, aroundSeconds: 0 }] }), {
    code: 'bad_config',
    message: /of 1 nodes/,
  });
});
