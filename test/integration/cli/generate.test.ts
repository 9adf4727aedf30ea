// `conclave generate` and `conclave logits` as a person runs them.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readNpy } from '../../golden/golden-fixtures.ts';
import { runConclave } from '../../run-conclave.ts';

const SIZES =
  '--layers 2 --d-model 32 --experts 4 --top-k 2 --ffn 48 --heads 4 --kv-heads 2 --vocab 300 --max-seq-len 64';

const home = await mkdtemp(join(tmpdir(), 'cv-generate-'));
const model = join(home, 'model');
after(() => rm(home, { recursive: true, force: true }));

before(() => {
  const { status, stderr } = runConclave('model', 'synth', ...SIZES.split(' '), '--out', model);
  assert.equal(status, 0, stderr);
});

function generate(...args: readonly string[]) {
  return runConclave('generate', '--model', model, '--home', home, '--prompt', 'one two', ...args);
}

test('generates the same for a prompt, whatever the threads and the kernels', () => {
  const first = JSON.parse(generate('--max-tokens', '20', '--json').stdout);
  assert.equal(first.token_ids.length, 20);
  assert.ok(first.tokens_per_second > 0);
  for (const flags of [
    ['--threads', '1'],
    ['--threads', '3'],
    ['--variant', 'reference'],
    ['--seed', '7'],
  ]) {
    const other = JSON.parse(generate('--max-tokens', '20', '--json', ...flags).stdout);
    assert.deepEqual([other.text, other.token_ids], [first.text, first.token_ids]);
  }
  assert.equal(generate('--max-tokens', '20').stdout, `${first.text}\n`);
});

test('a temperature follows the seed', () => {
  const ids = (seed: string) => JSON.parse(generate('--temperature', '1', '--seed', seed, '--json').stdout).token_ids;
  assert.deepEqual(ids('1'), ids('1'));
  assert.notDeepEqual(ids('1'), ids('2'));
});

test('an answer ends where the context does', () => {
  const { token_ids } = JSON.parse(generate('--max-tokens', '5000', '--json').stdout);
  assert.ok(token_ids.length < 64);
});

test('logits are an .npy file that does not depend on the kernels', async () => {
  const write = (name: string, ...flags: readonly string[]) => {
    const args = ['--model', model, '--home', home, '--tokens', '1,2,3,299', '--out', join(home, name), ...flags];
    const { status, stdout, stderr } = runConclave('logits', ...args, '--json');
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout);
  };
  assert.deepEqual(write('a.npy'), { out: join(home, 'a.npy'), shape: [4, 300] });
  write('b.npy', '--variant', 'reference', '--threads', '1');
  assert.deepEqual(await readFile(join(home, 'a.npy')), await readFile(join(home, 'b.npy')));
  const { rows, columns, data } = readNpy(join(home, 'a.npy'));
  assert.deepEqual([rows, columns], [4, 300]);
  assert.ok(data.every(Number.isFinite));
});

function fails(outcome: ReturnType<typeof runConclave>, message: RegExp): void {
  assert.equal(outcome.status, 1);
  assert.equal(outcome.stdout, '');
  assert.match(outcome.stderr.trim().split('\n').at(-1) ?? '', message);
}

test('a prompt as long as the context is refused with both numbers', () => {
  fails(
    generate('--prompt', 'x'.repeat(200)),
    /^conclave: The prompt has \d+ tokens, but the model's context holds 64 including the answer\. Shorten the prompt\.$/,
  );
});

test('an unknown kernel variant is refused with the known ones', () => {
  fails(generate('--variant', 'abacus'), /unknown kernel variant 'abacus'; this CPU runs .*reference/);
});

test('an empty prompt is refused', () => {
  fails(generate('--prompt', ''), /^conclave: The prompt has no tokens\. Give a longer one with --prompt\.$/);
});

test('a bad prompt or tokenizer is refused before any weights are packed', () => {
  const fresh = join(home, 'fresh');
  const refused = (...args: readonly string[]) => runConclave(...args, '--model', model, '--home', fresh);
  fails(refused('generate', '--prompt', ''), /The prompt has no tokens/);
  fails(refused('logits', '--tokens', '300', '--out', join(home, 'x.npy')), /Token 300 is outside/);
  assert.equal(existsSync(fresh), false, 'nothing was built');
});

test('a token outside the vocabulary is refused by its id', () => {
  const logits = (tokens: string) =>
    runConclave('logits', '--model', model, '--home', home, '--tokens', tokens, '--out', join(home, 'x.npy'));
  fails(logits('1,300'), /^conclave: Token 300 is outside the model's vocabulary: expected ids from 0 to 299\.$/);
  fails(logits('1,,2'), /^conclave: Expected token ids separated by commas but received ""\.$/);
  fails(logits('-1'), /^conclave: Expected token ids separated by commas but received "-1"\.$/);
  fails(
    logits(Array(65).fill('1').join(',')),
    /^conclave: Received 65 tokens, but the model's context holds 64\. Give fewer with --tokens\.$/,
  );
});

test('a path that is not a model folder is named', () => {
  fails(
    runConclave('generate', '--model', join(home, 'nothing'), '--prompt', 'x'),
    /nothing.config\.json does not exist; name a model folder/,
  );
});

test('a broken tokenizer is named, by file', async () => {
  const tokenizer = join(model, 'tokenizer.json');
  await copyFile(join(model, 'config.json'), tokenizer);
  fails(generate(), /tokenizer\.json/);
  await rm(tokenizer);
});
