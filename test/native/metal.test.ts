// The C++ tests of the Metal backend on the emulated GPU: kernels, session, residency, refusals, mutations. And what
// happens where there is no GPU.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gpuProperties } from '../../native/model-session.ts';
import { NativeError } from '../../native/native-error.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { HAS_APPLE_SILICON } from './host-target.ts';
import { buildMetalTests } from './metal-target.ts';

const run = promisify(execFile);

test('C++ tests of the Metal backend pass on the emulated GPU', async () => {
  const program = await buildMetalTests();
  const { stdout } = await run(program, [], { maxBuffer: 1 << 24 }).catch(
    (failure: { stdout: string; stderr: string }) => {
      throw new Error(`C++ tests failed:\n${failure.stdout}${failure.stderr}`, { cause: failure });
    },
  );
  console.log(stdout);
  assert.match(stdout, /^\d+ passed, 0 failed$/m);
});

test('the emulated GPU says what it is', () => {
  assert.deepEqual(
    [gpuProperties('metal-emulated').className, gpuProperties('metal-emulated').residencySets],
    ['emulated', true],
  );
});

const skip = HAS_APPLE_SILICON ? 'this machine has a GPU' : false;
test('without a GPU, asking for it says what is missing', { skip }, () => {
  assert.throws(
    () => gpuProperties('metal'),
    (error) => error instanceof NativeError && error.code === 'unavailable' && /Apple silicon/.test(error.message),
  );
  const report = verify();
  assert.match(report, /## GPU: FAILED/);
  assert.match(report, /Metal needs a Mac with Apple silicon/);
  assert.doesNotMatch(report, /## Square roots/);
});

test('without a GPU, asking for kernels to be compiled says what is missing', { skip }, () => {
  const report = verify('--compile-only');
  assert.match(report, /## Kernels compile, limits of their pipelines: FAILED/);
  assert.match(report, /Metal needs a Mac with Apple silicon/);
  assert.doesNotMatch(report, /## GPU/);
});

/** Runs it to its failure and returns its report. */
function verify(...args: readonly string[]): string {
  const script = join(REPOSITORY_ROOT, 'dist', 'test', 'native', 'verify-metal.js');
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /FAILED/);
  return readFileSync(join(REPOSITORY_ROOT, 'metal-report.md'), 'utf8');
}
