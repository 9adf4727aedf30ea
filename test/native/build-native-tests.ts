// Builds the C++ tests for one target. Objects are kept between runs and rebuilt when a source or any header is newer.
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY_ROOT } from '../repository-root.ts';

const run = promisify(execFile);

export interface NativeTestTarget {
  readonly name: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  /** Kernel variants of the target's architecture: file below native/cpu, and the instructions it may use. */
  readonly variants: readonly { readonly file: string; readonly flags: readonly string[] }[];
}

interface Unit {
  readonly source: string;
  readonly object: string;
  readonly flags: readonly string[];
}

// As binding.gyp has them: the rules of arithmetic must be those of the product.
const COMMON_FLAGS = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno'];
const FOLDERS = ['native/core', 'native/cpu', 'test/native'];

function filesOf(folder: string, suffix: string): string[] {
  return readdirSync(join(REPOSITORY_ROOT, folder))
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(REPOSITORY_ROOT, folder, name));
}

function unitsOf(target: NativeTestTarget, out: string): Unit[] {
  const own = new Map(target.variants.map((variant) => [variant.file, variant.flags]));
  return FOLDERS.flatMap((folder) => filesOf(folder, '.cc')).flatMap((source) => {
    const name = basename(source);
    const isVariant = name.startsWith('matmul-') && name !== 'matmul-reference.cc';
    if (isVariant && !own.has(name)) return [];
    return [{ source, object: join(out, `${name}.o`), flags: own.get(name) ?? [] }];
  });
}

function isStale(unit: Unit, newestHeaderMs: number): boolean {
  const built = statSync(unit.object, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return built < newestHeaderMs || built < statSync(unit.source).mtimeMs;
}

/** Returns the path of the test program. Rejects with the compiler's output. */
export async function buildNativeTests(target: NativeTestTarget): Promise<string> {
  const out = join(REPOSITORY_ROOT, 'native', 'build', 'test', target.name);
  mkdirSync(out, { recursive: true });
  const newestHeaderMs = Math.max(...FOLDERS.flatMap((f) => filesOf(f, '.h')).map((path) => statSync(path).mtimeMs));
  const units = unitsOf(target, out);
  const stale = units.filter((unit) => isStale(unit, newestHeaderMs));
  const compileNext = async (): Promise<void> => {
    for (let unit = stale.pop(); unit !== undefined; unit = stale.pop()) {
      const flags = [...COMMON_FLAGS, ...target.flags, ...unit.flags];
      await run(target.compiler, [...flags, '-c', unit.source, '-o', unit.object]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compileNext));
  const program = join(out, 'native-tests');
  await run(target.compiler, [...target.flags, ...units.map((unit) => unit.object), '-o', program, '-pthread']);
  return program;
}
