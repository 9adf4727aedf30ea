// What only a Mac can compile, checked here as far as clang can: the kernels with address spaces as real qualifiers, and
// apple-device.mm against declarations of the API it uses. Each check is shown to refuse something.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { missingTools } from '../missing-tools.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';

interface Shaders {
  shaderSource(): string;
  embedShaders(): void;
}

const CLANG = 'clang++-16';
const SDKS = join(REPOSITORY_ROOT, 'test', 'native', 'metal');
const KERNEL_FLAGS = [
  ...['-x', 'c++', '-std=c++17', '-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-D__METAL_VERSION__=300'],
  // Attributes are Metal's, and a type of weights leaves some functions unused.
  ...['-Wno-unknown-attributes', '-Wno-unknown-pragmas', '-Wno-unused-parameter', '-Wno-unused-function'],
  ...['-nostdinc', '-nostdinc++', '-isystem', join(SDKS, 'metal-sdk')],
];
const DEVICE_FLAGS = [
  ...['-x', 'objective-c++', '-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Werror'],
  ...['-fobjc-arc', '-fblocks', '-fobjc-runtime=gnustep-2.0', '-I', join(SDKS, 'apple-sdk')],
];

const skip = missingTools([CLANG]);

const folder = mkdtempSync(join(tmpdir(), 'cv-metal-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let source = '';
before(async () => {
  const url = pathToFileURL(join(REPOSITORY_ROOT, 'infra', 'build', 'embed-shaders.mjs')).href;
  const shaders = (await import(url)) as Shaders;
  source = shaders.shaderSource();
  shaders.embedShaders();
});

function compile(flags: readonly string[], file: string): { readonly status: number | null; readonly output: string } {
  const { status, stderr } = spawnSync(CLANG, [...flags, file], { encoding: 'utf8' });
  return { status, output: stderr };
}

function compileKernels(
  text: string,
  dtype: number,
  codes = dtype,
): { readonly status: number | null; readonly output: string } {
  const file = join(folder, 'kernels.metal');
  // C++ knows no automatic variables in an address space; Metal's threadgroup arrays would be.
  const arrays = text.replace('threadgroup type name[count]', 'static threadgroup type name[count]');
  // The keyword is a macro here, which an attribute's name must not be.
  writeFileSync(file, arrays.replace('[[threadgroup(0)]]', ''));
  return compile([...KERNEL_FLAGS, `-DCONCLAVE_DTYPE=${dtype}`, `-DCONCLAVE_CODES=${codes}`], file);
}

test('kernels compile with address spaces as qualifiers, for every type of weights', { skip }, () => {
  for (const dtype of [0, 1, 2]) {
    const { status, output } = compileKernels(source, dtype);
    assert.equal(status, 0, output);
  }
});

test('kernels compile for packed formats and each type of activations', { skip }, () => {
  // Two planes of codes, one, and both kinds of floats.
  for (const [dtype, codes] of [
    [0, 4],
    [2, 5],
    [2, 9],
    [0, 10],
  ] as const) {
    const { status, output } = compileKernels(source, dtype, codes);
    assert.equal(status, 0, output);
  }
});

test('a pointer into the wrong memory is refused', { skip }, () => {
  const wrong = 'static inline float wrong(device float *x) { return sum_of_lanes(x); }\n';
  const { status, output } = compileKernels(source + wrong, 0);
  assert.notEqual(status, 0);
  assert.match(output, /address space|no matching function|cannot initialize/);
});

test('the Metal device compiles against the API that it uses', { skip }, () => {
  const { status, output } = compile(DEVICE_FLAGS, join(REPOSITORY_ROOT, 'native', 'metal', 'apple-device.mm'));
  assert.equal(status, 0, output);
});

test('the program that compares square roots compiles against the same API', { skip }, () => {
  const { status, output } = compile(DEVICE_FLAGS, join(SDKS, 'square-roots.mm'));
  assert.equal(status, 0, output);
});

test('a call that the API does not have is refused', { skip }, () => {
  const file = join(folder, 'wrong.mm');
  writeFileSync(file, '#import <Metal/Metal.h>\nvoid wrong(id<MTLCommandBuffer> buffer) { [buffer comit]; }\n');
  const { status, output } = compile(DEVICE_FLAGS, file);
  assert.notEqual(status, 0);
  assert.match(output, /comit/);
});

test('kernels keep to what every Apple GPU has', () => {
  // Comments may speak of it.
  const code = source.replace(/\/\/.*$/gm, '');
  for (const construct of [
    /\batomic_/,
    /function_constant/,
    /\bbfloat\b/,
    /\bsampler\b/,
    /thread_elements/,
    /\bvirtual\b/,
    // From macOS 15 on, unqualified ones are the fast ones unless an option says otherwise.
    /(?<!precise::)\b(sqrt|rsqrt|exp2?|exp10|log2?|log10|pow|powr|sin|cos|tan|sincos|sinh|cosh|tanh|fmin|fmax|fabs|fract|divide)\s*\(/,
  ]) {
    assert.doesNotMatch(code, construct);
  }
  assert.match(code, /#pragma METAL fp contract\(off\)/);
  assert.ok(existsSync(join(REPOSITORY_ROOT, 'native', 'build', 'generated', 'shader-source.h')));
});

test('one source has every include once', () => {
  assert.equal(source.match(/struct MultiplyArguments/g)?.length, 1);
  assert.equal(source.match(/static inline float bf16_to_float/g)?.length, 1);
  assert.doesNotMatch(source, /#include "(?!\.\.\/emulated)/);
});
