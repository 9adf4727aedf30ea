// `conclave bench decode|prefill|speculation --json` from end to end, on a model of a few kilobytes: which numbers come, not how large they are.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const run = promisify(execFile);
const CONCLAVE = join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs');
const NUMBERS = [
  'tokens_per_second',
  'bytes_per_token',
  'probe_bytes_per_second',
  'fraction_of_probe',
  'load_seconds',
] as const;

async function bench(home: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [CONCLAVE, 'bench', ...args, '--home', home, '--json']);
  return stdout;
}

test('decode reports rate, bytes, probe and their ratio, and nothing else on stdout', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'tiny');
  const stdout = await bench(home, 'decode', '--model', model, '--threads', '1', '--tokens', '4', '--runs', '2');
  const result = JSON.parse(stdout);
  assert.equal(result.model, model);
  assert.equal(result.threads, 1);
  assert.equal(result.tokens, 4);
  assert.equal(result.runs, 2);
  for (const name of NUMBERS) assert.ok(Number.isFinite(result[name]) && result[name] > 0, `${name}: ${result[name]}`);
  for (const { min, median, max } of Object.values<{ min: number; median: number; max: number }>(result.spread)) {
    assert.ok(min <= median && median <= max);
  }
  assert.ok(result.anonymous_bytes === null || result.anonymous_bytes > 0);
});

test('a prompt and an answer that do not fit the model are refused with their sizes', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'tiny');
  const failure = await bench(home, 'decode', '--model', model, '--tokens', '1000000').catch((error) => error);
  const { error } = JSON.parse(failure.stdout);
  assert.equal(error.code, 'context_length_exceeded');
  assert.match(error.message, /^16 tokens of prompt and 1000000 of answer do not fit the model's context of \d+\.$/);
});

test('prefill reports its rate, and how much sooner the first token comes when the prompt is cached', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'tiny');
  const stdout = await bench(home, 'prefill', '--model', model, '--threads', '1', '--tokens', '200', '--runs', '2');
  const { tokens_per_second: rate, cached_ratio: ratio } = JSON.parse(stdout);
  // How much sooner is the bench's to say: a busy machine turns it around.
  assert.ok(rate > 0 && ratio > 0, `${rate}, ${ratio}`);
});

test('speculation reports gains beside what the experts read predict', async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'tiny');
  const flags = ['--threads', '1', '--tokens', '40', '--runs', '1', '--guesses', '1,3', '--prompt', 'a b a b a b'];
  const result = JSON.parse(await bench(home, 'speculation', '--model', model, ...flags));
  const gains = [...result.forced, result.random_text, result.prompt];
  assert.deepEqual(
    result.forced.map(({ guesses }: { guesses: number }) => guesses),
    [1, 3],
  );
  for (const { gain, predicted_gain: predicted, experts_per_layer: experts } of gains) {
    assert.ok(gain.median > 0 && predicted > 0 && experts >= 2 && experts <= 3);
  }
  const failure = await bench(home, 'speculation', '--model', model, ...flags, '--prompt-tokens', '2').catch(
    (error) => error,
  );
  assert.match(
    JSON.parse(failure.stdout).error.message,
    /^The text has \d+ tokens, more than --prompt-tokens \(2\)\.$/,
  );
});
