// `conclave plan` as a person runs it: a file, flags above it, and what it says of bad ones.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runConclave } from '../../run-conclave.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const CLUSTER = `
model: dbrx
streams: 2
link: {latencyMicroseconds: 300, gigabytesPerSecond: 3.5}
nodes:
  - machine: m3-ultra-512
  - machine: {memoryGigabytes: 96, gigabytesPerSecond: 400, teraflops: 20, dollars: 2500}
    count: 2
alternative: {name: rented, dollars: 20000, tokensPerSecond: 30}
`;

test('plans what a file describes, flags above it', async (t) => {
  const file = join(await temporaryFolder(t), 'cluster.yaml');
  writeFileSync(file, CLUSTER);
  const { status, stdout, stderr } = runConclave('plan', file, '--streams', '1', '--json');
  assert.equal(status, 0, stderr);
  const [plan] = JSON.parse(stdout).plans;
  assert.equal(plan.nodes, 3);
  assert.deepEqual(
    new Set(plan.members.flatMap((member: { experts: number[][] }) => member.experts.flat())),
    new Set(Array(16).keys()),
  );
  for (const { usedBytes, memoryBytes } of plan.members) assert.ok(usedBytes <= memoryBytes);
  assert.ok(Math.abs(plan.step.tokensPerSecond * plan.step.totalSeconds - 1) < 1e-9);
  assert.equal(plan.cost.dollars, 9_499 + 2 * 2_500);
  assert.ok(plan.cost.ratioToAlternative > 0);
  assert.match(runConclave('plan', file).stdout, /2 streams together/);
});

test('compares several sizes in a table, with the reason why one does not fit', () => {
  const { status, stdout } = runConclave('plan', '--model', 'dbrx', '--machine', 'm2-ultra', '--nodes', '1,4');
  assert.equal(status, 0);
  assert.match(stdout, /^1 +The nodes together have room for 8 experts of a layer, but the model has 16/m);
  assert.match(stdout, /^4 +decentralized +yes +1\.128/m);
});

test("shows the paper's cluster, predicted beside published", () => {
  const { stdout } = runConclave('plan', '--paper');
  assert.match(stdout, /^4 +1\.569 +11\.9 +23\.3 +7\.0 +7\.0 +27 % +33 % +1\.126 +7\.5$/m);
  assert.match(stdout, /full text was not available/);
});

test('refuses, naming what is wrong and what there is', async (t) => {
  const file = join(await temporaryFolder(t), 'cluster.yaml');
  writeFileSync(file, CLUSTER.replace('streams', 'streens'));
  const refusals: readonly (readonly [RegExp, ...string[]])[] = [
    [/cluster\.yaml:3:1: unknown key `streens`/, file],
    [/Expected --machine, --live, or `nodes` in a file/, '--model', 'dbrx'],
    [/Expected --machine with --nodes/, '--model', 'dbrx', '--nodes', '2'],
    [/Unknown machine "pc": expected one of m1, .*, m5-max\./, '--model', 'dbrx', '--machine', 'pc'],
    [/Unknown link "string": expected one of 10gbe/, '--model', 'dbrx', '--machine', 'm2-ultra', '--link', 'string'],
    [/The folder \.\/nowhere does not exist/, '--model', './nowhere', '--machine', 'm2-ultra'],
    [/room for 8 experts of a layer, but the model has 16/, '--model', 'dbrx', '--machine', 'm2-ultra'],
  ];
  for (const [message, ...args] of refusals) {
    const { status, stderr } = runConclave('plan', ...args);
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, message);
  }
});
