// Benches over nodes of their own, on a model of a few kilobytes: which numbers come, not how large they are.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runConclave } from '../../run-conclave.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const FEW = ['--rounds', '1', '--tokens', '3', '--json'];

test('ablation runs every rung on real nodes and draws them', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'tiny');
  const chart = join(home, 'ladder.svg');
  const { status, stdout, stderr } = runConclave(
    'bench',
    'ablation',
    '--model',
    model,
    '--home',
    home,
    '--chart',
    chart,
    ...FEW,
  );
  assert.equal(status, 0, stdout + stderr);
  const { rungs } = JSON.parse(stdout);
  assert.deepEqual(
    rungs.map(({ name }: { name: string }) => name),
    ['naive', 'P', 'P-LB', 'P-LR', 'P-LR-D', 'Conclave, centralized', 'Conclave'],
  );
  for (const { tokens_per_second, moe_ms, communication_ms, rest_ms } of rungs) {
    for (const number of [tokens_per_second, moe_ms, rest_ms]) assert.ok(number > 0, stdout);
    // None in a step whose experts the leader happens to hold.
    assert.ok(communication_ms >= 0, stdout);
  }
  assert.ok(rungs[0].communication_ms > 0, stdout);
  const svg = readFileSync(chart, 'utf8');
  assert.equal(svg.match(/<rect/g)?.length, 1 + 3 + 3 * rungs.length);
  assert.match(svg, />P-LR-D<[\s\S]*tok\/s/);
});

test('group compares both topologies with one node, for each number of streams', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'tiny');
  const args = ['bench', 'group', '--model', model, '--home', home, '--streams', '1,3', '--warm-up', '2'];
  const { status, stdout, stderr } = runConclave(...args, '--experts', 'disjoint', ...FEW);
  assert.equal(status, 0, stdout + stderr);
  const { groups } = JSON.parse(stdout);
  assert.deepEqual(
    groups.map(({ topology, streams }: { topology: string; streams: number }) => [topology, streams]),
    [
      ['centralized', 1],
      ['decentralized', 1],
      ['centralized', 3],
      ['decentralized', 3],
    ],
  );
  for (const { speed, step_ms } of groups) assert.ok(speed.median > 0 && step_ms.median > 0, stdout);
});

test('plan calibrates on one model, checks another, and writes what `conclave plan` reads', async (t) => {
  const home = await temporaryFolder(t);
  const [model, other] = [await syntheticModel(home, 'one'), await syntheticModel(home, 'two', { seed: 2 })];
  const out = join(home, 'here.yaml');
  const args = ['bench', 'plan', '--model', model, '--check', other, '--home', home, '--nodes', '1,2', '--out', out];
  const { status, stdout, stderr } = runConclave(...args, ...FEW);
  assert.equal(status, 0, stdout + stderr);
  const result = JSON.parse(stdout);
  assert.deepEqual(
    result.checks.map((check: { model: string; nodes: number }) => [check.model, check.nodes]),
    [
      [model, 1],
      [model, 2],
      [other, 1],
      [other, 2],
    ],
  );
  // What one node does is what the calibration begins with, however busy the machine is.
  assert.ok(Math.abs(result.checks[0].error) < 1e-6, stdout);
  const plan = runConclave('plan', out, '--json');
  assert.equal(plan.status, 0, plan.stderr);
  assert.equal(JSON.parse(plan.stdout).plans[0].nodes, 2);
});

test('a bench group whose model is not there fails with its name, and leaves nothing behind', async (t) => {
  const home = await temporaryFolder(t);
  const { status, stdout } = runConclave('bench', 'ablation', '--model', join(home, 'none'), '--home', home, ...FEW);
  assert.equal(status, 1);
  assert.match(JSON.parse(stdout).error.message, /none/);
});
