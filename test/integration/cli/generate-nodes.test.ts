// `conclave generate --nodes N`: the same tokens as one node, on either topology.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runConclave } from '../../run-conclave.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

test('two and four nodes give the tokens of one, in both topologies', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'model');
  const generate = (...nodes: readonly string[]) => {
    const prompt = [
      '--model',
      model,
      '--home',
      home,
      '--prompt',
      'Once upon a time',
      '--max-tokens',
      '40',
      '--threads',
      '1',
    ];
    const { status, stdout, stderr } = runConclave('generate', ...prompt, '--json', ...nodes);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout).token_ids as readonly number[];
  };
  const alone = generate();
  assert.equal(alone.length, 40);
  for (const [nodes, topology] of [
    ['2', 'centralized'],
    ['4', 'decentralized'],
  ] as const) {
    assert.deepEqual(generate('--nodes', nodes, '--topology', topology), alone, topology);
  }
});

test('a dense model is computed by one node, and refused on two', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'model', { like: 'qwen3' });
  const generate = (...nodes: readonly string[]) => {
    const prompt = ['--model', model, '--home', home, '--prompt', 'Once', '--max-tokens', '5', '--threads', '1'];
    return runConclave('generate', ...prompt, '--json', ...nodes);
  };
  assert.equal(JSON.parse(generate().stdout).token_ids.length, 5);
  const refused = 'A qwen3 model is dense: it has no experts to distribute over 2 nodes. Use one node.';
  assert.equal(JSON.parse(generate('--nodes', '2').stdout).error.message, refused);
});

test('zero nodes and unknown topologies are refused by name', () => {
  const refused = (...options: readonly string[]) =>
    runConclave('generate', '--model', 'x', '--prompt', 'x', ...options).stderr.split('\n')[0];
  assert.match(
    refused('--nodes', '0') ?? '',
    /option '--nodes <count>' argument '0' is invalid\. Expected a whole number of at least 1\./,
  );
  assert.match(
    refused('--topology', 'ring') ?? '',
    /'ring' is invalid\. Allowed choices are auto, centralized, decentralized\./,
  );
  const start = runConclave('start', '--nodes', '0').stderr;
  assert.match(start, /option '--nodes <count>' argument '0' is invalid\. Expected a whole number of at least 1\./);
});
