// Builds the C++ tests for one target. Objects are kept between runs and rebuilt when a source or any header is newer; targets
// that compile a source alike share its object.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY_ROOT } from '../repository-root.ts';

const run = promisify(execFile);

export interface NativeTestTarget {
  readonly name: string;
  readonly compiler: string;
  /** Of the tests and of the GPU's backend; the program is linked with both. */
  readonly flags: readonly string[];
  /** Of the engine without its GPU (ENGINE_FOLDERS). */
  readonly engineFlags: readonly string[];
  /** Kernel variants of the target's architecture: file below native/cpu, and the instructions it may use. */
  readonly variants: readonly { readonly file: string; readonly flags: readonly string[] }[];
  /** Where the sources are. */
  readonly folders: readonly string[];
  /** The only tests in the program, by file below test/native; all that the folders have where it is absent. */
  readonly tests?: readonly string[];
  /** With Apple's GPU: only on a Mac with Apple silicon. */
  readonly appleDevice?: true;
}

const APPLE_DEVICE = 'native/metal/apple-device.mm';
const NO_APPLE_DEVICE = 'no-apple-device.cc';
// As binding.gyp has them.
const APPLE_FRAMEWORKS = ['CoreGraphics', 'Foundation', 'Metal'].flatMap((name) => ['-framework', name]);

export const ENGINE_FOLDERS: readonly string[] = [
  'native/core',
  'native/cpu',
  'native/exchange',
  'native/bench',
  'native/constraint',
  'native/sampler',
];
/** What every program with tests of the CPU's engine is made of. */
export const CPU_FOLDERS: readonly string[] = [...ENGINE_FOLDERS, 'test/native'];
/** The same engine with the GPU's backend on the emulated device, and tests of that. */
export const METAL_FOLDERS: readonly string[] = [
  ...ENGINE_FOLDERS,
  'native/metal',
  'native/metal/emulated',
  'test/native/metal',
];
const TEST_MAIN = 'test/native/main.cc';
// Not in METAL_FOLDERS' programs, but included by them.
const HEADER_FOLDERS = ['native/metal/kernels', 'test/native'];

interface Unit {
  readonly source: string;
  readonly flags: readonly string[];
  readonly object: string;
}

const BUILT = join(REPOSITORY_ROOT, 'native', 'build', 'test');

// As binding.gyp has them: the rules of arithmetic must be those of the product.
const COMMON_FLAGS = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno'];

function filesOf(folder: string, suffix: string): string[] {
  return readdirSync(join(REPOSITORY_ROOT, folder))
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(REPOSITORY_ROOT, folder, name));
}

function unitsOf(target: NativeTestTarget): Unit[] {
  const own = new Map(target.variants.map((variant) => [variant.file, variant.flags]));
  const tests = (target.tests ?? []).map((name) => join(REPOSITORY_ROOT, 'test', 'native', name));
  const sources = [...target.folders.flatMap((folder) => filesOf(folder, '.cc')), ...tests];
  const apple = target.appleDevice ? [join(REPOSITORY_ROOT, APPLE_DEVICE)] : [];
  return [...new Set([...sources, join(REPOSITORY_ROOT, TEST_MAIN), ...apple])].flatMap((source) => {
    const name = basename(source);
    if (name === NO_APPLE_DEVICE && target.appleDevice) return [];
    if (name.endsWith('.mm')) return [unitOf(target, source, ['-fobjc-arc'])];
    const isVariant = name.startsWith('matmul-') && name !== 'matmul-reference.cc';
    if (isVariant && !own.has(name)) return [];
    return [unitOf(target, source, own.get(name) ?? [])];
  });
}

function unitOf(target: NativeTestTarget, source: string, own: readonly string[]): Unit {
  const path = relative(REPOSITORY_ROOT, source);
  const isEngine = ENGINE_FOLDERS.includes(dirname(path));
  const flags = [...COMMON_FLAGS, ...(isEngine ? target.engineFlags : target.flags), ...own];
  const alike = createHash('sha256')
    .update([target.compiler, ...flags].join(' '))
    .digest('hex')
    .slice(0, 12);
  return { source, flags, object: join(BUILT, 'objects', alike, `${path.replaceAll('/', '-')}.o`) };
}

/** Another process may be compiling the same: the last one replaces the object with an equal one. */
async function compile(compiler: string, { source, flags, object }: Unit): Promise<void> {
  mkdirSync(dirname(object), { recursive: true });
  const unfinished = `${object}.${process.pid}`;
  await run(compiler, [...flags, '-c', source, '-o', unfinished]);
  renameSync(unfinished, object);
}

function isStale(unit: Unit, newestHeaderMs: number): boolean {
  const built = statSync(unit.object, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return built < newestHeaderMs || built < statSync(unit.source).mtimeMs;
}

/** Returns the path of the test program. Rejects with the compiler's output. */
export async function buildNativeTests(target: NativeTestTarget): Promise<string> {
  const headers = [...target.folders, ...HEADER_FOLDERS].flatMap((f) => [...filesOf(f, '.h'), ...filesOf(f, '.metal')]);
  const newestHeaderMs = Math.max(...headers.map((path) => statSync(path).mtimeMs));
  const units = unitsOf(target);
  const stale = units.filter((unit) => isStale(unit, newestHeaderMs));
  const compileNext = async (): Promise<void> => {
    for (let unit = stale.pop(); unit !== undefined; unit = stale.pop()) await compile(target.compiler, unit);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compileNext));
  const program = join(BUILT, `${target.name}-tests`);
  const frameworks = target.appleDevice ? APPLE_FRAMEWORKS : [];
  await run(target.compiler, [
    ...target.flags,
    ...target.engineFlags,
    ...units.map((unit) => unit.object),
    '-o',
    program,
    '-pthread',
    ...frameworks,
  ]);
  return program;
}
