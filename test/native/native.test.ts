// The C++ tests: with AddressSanitizer and UBSan on this machine's processor, and for 64-bit ARM under qemu. Both print
// digests of the same models' logits and of what was sampled from others, which must be one: the numerics class is the CPU,
// whatever its maker.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { arch } from 'node:os';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { missingTools } from '../missing-tools.ts';
import { buildNativeTests, CPU_FOLDERS, type NativeTestTarget } from './build-native-tests.ts';
import { HOST_COMPILER, HOST_VARIANTS, NEON_VARIANTS } from './host-target.ts';

const run = promisify(execFile);

const ADDRESSES = ['-O1', '-g1', '-fsanitize=address'];
const HERE: NativeTestTarget = {
  name: 'sanitized',
  compiler: HOST_COMPILER,
  // UBSan and full debug information triple the time that compiling the tests takes.
  flags: ADDRESSES,
  engineFlags: [...ADDRESSES, '-fsanitize=undefined', '-fno-sanitize-recover=all'],
  variants: HOST_VARIANTS,
  folders: CPU_FOLDERS,
};

const ARM: NativeTestTarget = {
  name: 'arm64',
  compiler: 'aarch64-linux-gnu-g++',
  flags: ['-O1', '-static'],
  engineFlags: ['-O2'],
  variants: NEON_VARIANTS,
  folders: CPU_FOLDERS,
};
const QEMU = 'qemu-aarch64-static';

async function digestsOf(program: string, prefix: readonly string[]): Promise<readonly string[]> {
  const [command = program, ...args] = [...prefix, program];
  const { stdout } = await run(command, args, { maxBuffer: 1 << 24 }).catch((failure: { stdout: string }) => {
    throw new Error(`C++ tests failed:\n${failure.stdout}`, { cause: failure });
  });
  console.log(stdout);
  const digests = stdout.match(/^(?:digest|sampled) \w+$/gm) ?? [];
  assert.equal(digests.length, 2, 'the tests print their digests');
  return digests;
}

let digestsHere: readonly string[] | undefined;

test('C++ tests pass with AddressSanitizer and UBSan', async () => {
  digestsHere = await digestsOf(await buildNativeTests(HERE), []);
});

const skip = arch() === 'arm64' ? 'this is an ARM machine' : missingTools([ARM.compiler, QEMU]);
test('C++ tests pass on 64-bit ARM with the same logits and samples', { skip }, async () => {
  assert.deepEqual(await digestsOf(await buildNativeTests(ARM), [QEMU]), digestsHere);
});
