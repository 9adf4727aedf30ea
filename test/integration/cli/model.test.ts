// `conclave model …` as a person runs it.
import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadModel } from '../../../workers/model/load-model.ts';
import { type CommandOutcome, runConclave as conclave } from '../../run-conclave.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const SILENT = { onProgress: () => undefined, onWait: () => undefined };

const SIZES =
  '--layers 2 --d-model 32 --experts 4 --top-k 2 --ffn 48 --heads 4 --kv-heads 2 --vocab 300 --max-seq-len 64';

test('synth writes a model that inspect reads back, the same for the same seed', async (t) => {
  const parent = await temporaryFolder(t);
  const synth = (name: string, seed: string): CommandOutcome =>
    conclave(
      'model',
      'synth',
      ...SIZES.split(' '),
      '--dtype',
      'f16',
      '--seed',
      seed,
      '--out',
      join(parent, name),
      '--json',
    );
  const made = synth('a', '1');
  assert.equal(made.status, 0, made.stderr);
  assert.deepEqual(JSON.parse(made.stdout), { folder: join(parent, 'a'), parameters: 62_624, bytes: 125_248 });
  synth('b', '1');
  synth('c', '2');
  const weights = ['a', 'b', 'c'].map((name) => readFile(join(parent, name, 'model.safetensors')));
  const [a, b, c] = await Promise.all(weights);
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, c);

  const inspected = conclave('model', 'inspect', join(parent, 'a'), '--nodes', '3', '--json');
  assert.equal(inspected.status, 0, inspected.stderr);
  const { description, formats, parameters, share } = JSON.parse(inspected.stdout);
  assert.deepEqual(formats, { '*': 'f16' });
  assert.deepEqual(description.blockOfLayer, [0, 0]);
  assert.equal(description.blocks[0].attention.kvHeads, 2);
  assert.deepEqual([parameters.total, share.expertsPerNode], [62_624, 2]);
  assert.match(conclave('model', 'inspect', join(parent, 'a')).stdout, /^family +dbrx, f16\nlayers +2 of width 32\n/);
});

test('synth refuses a folder in use, and sizes that make no model', async (t) => {
  const parent = await temporaryFolder(t);
  await writeFile(join(parent, 'file'), '');
  assert.deepEqual(conclave('model', 'synth', '--out', parent), {
    status: 1,
    stdout: '',
    stderr: `conclave: ${parent} is not empty: a checkpoint needs a new folder\n`,
  });
  const out = join(parent, 'model');
  assert.equal(
    conclave('model', 'synth', '--out', out, '--kv-heads', '3').stderr,
    'conclave: synthetic model: "attn_config.kv_n_heads" is 3: expected a divisor of n_heads (4)\n',
  );
  assert.equal(
    conclave('model', 'synth', '--out', out, '--vocab', '100').stderr,
    'conclave: synthetic model: "vocab_size" is 100: expected at least 260\n',
  );
  assert.match(
    conclave('model', 'synth', '--out', out, '--layers', '1.5').stderr,
    /argument '1.5' is invalid. Expected a whole number of at least 1./,
  );
});

test('a broken checkpoint is one line and exit code 1; with --json an object', async (t) => {
  const folder = await syntheticModel(await temporaryFolder(t), 'model');
  const path = join(folder, 'model.safetensors');
  await truncate(path, 100_000);
  const failed = conclave('model', 'inspect', folder);
  assert.equal(failed.status, 1);
  assert.match(
    failed.stderr,
    /^conclave: .*model\.safetensors tensor ".*": data_offsets \[.*\] leave the \d+ bytes of data; copy the file again .*\n$/,
  );
  const { status, stdout } = conclave('model', 'inspect', folder, '--json');
  assert.equal(status, 1);
  const { error } = JSON.parse(stdout);
  assert.deepEqual([error.code, error.param], ['bad_checkpoint', path]);
});

test("verify finds a checkpoint's packs and what is wrong with them", async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const none = conclave('model', 'verify', folder, '--home', home);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /has no packs in .*\. They are built when the model is first used: run .*\n$/);

  const packs = await loadModel({ folder, home, packs: 'all', events: SILENT });
  packs.close();
  const sound = conclave('model', 'verify', folder, '--home', home, '--json');
  assert.deepEqual(JSON.parse(sound.stdout), { folder: packs.folder, shared: true, experts: 6 });

  await truncate(join(packs.folder, 'shared.pack'), 16_384);
  const damaged = conclave('model', 'verify', packs.folder);
  assert.equal(damaged.status, 1);
  assert.match(damaged.stderr, /shared\.pack has 16384 bytes, expected \d+\n$/);
});

test('--help says what there is without loading the engine', () => {
  const help = conclave('model', '--help');
  assert.equal(help.status, 0);
  for (const command of ['inspect', 'synth', 'verify']) assert.match(help.stdout, new RegExp(`^ {2}${command} `, 'm'));
});
