// Instructions of a step, counted by callgrind: a regression shows on any machine, however busy. Callgrind has no AVX-512, so
// these are the AVX2 kernels'; tiles, row operations and the order of a step are one source for all of them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { arch } from 'node:os';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { missingTools } from '../missing-tools.ts';
import { buildNativeTests, ENGINE_FOLDERS, type NativeTestTarget } from './build-native-tests.ts';
import { FAST_FLAGS, HOST_VARIANTS } from './host-target.ts';

const run = promisify(execFile);

const COUNTED: NativeTestTarget = {
  name: 'counted',
  compiler: 'g++',
  flags: ['-O1'],
  engineFlags: FAST_FLAGS,
  variants: HOST_VARIANTS,
  folders: ENGINE_FOLDERS,
  tests: ['step-cost-test.cc'],
};
const STEP = 'conclave::CpuBackend::step(conclave::StepBatch const&, conclave::ModelWeights const&, float*)';

/** Most instructions, in thousands: what g++ 12 needs and a tenth more. */
const LIMITS: Readonly<Record<string, number>> = {
  'a prompt of 128 tokens': 122_000,
  '16 steps of one token': 17_900,
  '16 steps of eight tokens': 124_000,
};

async function instructionsOf(program: string, name: string): Promise<number> {
  const callgrind = ['--tool=callgrind', '--callgrind-out-file=/dev/null', `--toggle-collect=${STEP}`];
  const { stderr } = await run('valgrind', [...callgrind, program, `counted: ${name}`]);
  const collected = /Collected : (\d+)/.exec(stderr)?.[1];
  assert.ok(collected !== undefined && collected !== '0', stderr);
  return Number(collected);
}

const skip = arch() === 'x64' ? missingTools(['valgrind']) : 'callgrind counts x64 instructions here';
test('a step takes no more instructions than it did', { skip }, async () => {
  const program = await buildNativeTests(COUNTED);
  for (const [name, thousands] of Object.entries(LIMITS)) {
    const counted = Math.round((await instructionsOf(program, name)) / 1000);
    console.log(`${name}: ${counted} thousand instructions`);
    assert.ok(counted <= thousands, `${name} takes ${counted} thousand instructions, and the limit is ${thousands}`);
  }
});
