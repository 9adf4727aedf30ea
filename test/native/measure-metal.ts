// What the C++ tests of the Metal backend find out about this machine's GPU, and its square roots: sections of the report.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { HOST_COMPILER } from './host-target.ts';
import { buildMetalTests } from './metal-target.ts';

export interface Section {
  readonly title: string;
  readonly passed: boolean;
  readonly lines: readonly string[];
}

const run = promisify(execFile);

/** Names of tests in test/native/metal/measurements-test.cc, and what each is asked for by. */
const ASKED = {
  compile: { title: 'Kernels compile, limits of their pipelines', test: "kernels compile on this machine's GPU" },
  measure: { title: 'Times and rates', test: "this machine's GPU is measured" },
} as const;

/** `compile` needs a GPU of any family; `measure` takes minutes, as it rests between reads. */
export async function askGpu(what: keyof typeof ASKED): Promise<Section> {
  const { title, test } = ASKED[what];
  const env = { ...process.env, CONCLAVE_METAL_REPORT: what };
  return sectionOf(title, run(await buildMetalTests(), [test], { env, maxBuffer: 1 << 24 }));
}

/** `precise::sqrt` and `sqrt` beside the CPU's, which divide and square root of the numerics rule go by. */
export async function squareRoots(): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), 'cv-square-roots-'));
  const source = join(REPOSITORY_ROOT, 'test', 'native', 'metal', 'square-roots.mm');
  const program = join(folder, 'square-roots');
  const frameworks = ['CoreGraphics', 'Foundation', 'Metal'].flatMap((name) => ['-framework', name]);
  try {
    await run(HOST_COMPILER, ['-std=c++20', '-fobjc-arc', source, ...frameworks, '-o', program]);
    return await sectionOf('Square roots', run(program));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function sectionOf(title: string, running: Promise<{ readonly stdout: string }>): Promise<Section> {
  const { stdout, passed } = await running.then(
    (ended) => ({ stdout: ended.stdout, passed: true }),
    (failure: { stdout?: string; message: string }) => ({ stdout: failure.stdout || failure.message, passed: false }),
  );
  return { title, passed, lines: stdout.trimEnd().split('\n') };
}
