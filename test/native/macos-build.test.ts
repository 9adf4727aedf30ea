// All that a Mac with Apple silicon compiles, compiled and linked here: the addon's sources for arm64 macOS, against the real C++
// library of macOS and our declarations of Metal and Foundation. Nothing of it runs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { missingTools } from '../missing-tools.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';

const run = promisify(execFile);

/** `.ci/run` installs the package ziglang, whose compiler brings what macOS has in its C++ library. */
const PYTHON = join(REPOSITORY_ROOT, '.venv', 'zig', 'bin', 'python');
const COMPILER = ['-m', 'ziglang', 'c++'];
// Without C++, for its library would first be built: a minute of processor.
const LINKER = ['-m', 'ziglang', 'cc', '-nostdlib'];
const skip = missingTools([PYTHON]);

const SDK = join(REPOSITORY_ROOT, 'test', 'native', 'metal', 'apple-sdk');
const DEVICE = join(REPOSITORY_ROOT, 'native', 'metal', 'apple-device.mm');
const FOLDERS = ['core', 'cpu', 'bench', 'exchange', 'sampler', 'metal', 'metal/emulated', 'addon'];
/** Of other machines. */
const ELSEWHERE = /^(matmul-(?:packed-)?avx.*|no-apple-device)\.cc$/;
const OLDEST = '13.3';

const folder = mkdtempSync(join(tmpdir(), 'cv-macos-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const require = createRequire(import.meta.url);
// As binding.gyp has them.
const FLAGS = ['-std=c++20', '-O0', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno'];
const ADDON_FLAGS = [
  ...['-DNAPI_VERSION=8', '-DNODE_ADDON_API_CPP_EXCEPTIONS', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
  ...['-isystem', dirname(require.resolve('node-addon-api/napi.h'))],
  ...['-isystem', (require('node-api-headers') as { include_dir: string }).include_dir],
];

function flagsOf(source: string): readonly string[] {
  if (source.endsWith('.mm')) return ['-x', 'objective-c++', '-fobjc-arc', '-Wunguarded-availability', '-I', SDK];
  return source.includes(`${join('native', 'addon')}/`) ? ADDON_FLAGS : [];
}

/** Compiles one source for a version of macOS; returns the object's path. Rejects with what the compiler printed. */
async function compile(source: string, macos: string): Promise<string> {
  const object = join(folder, `${macos}-${relative(REPOSITORY_ROOT, source).replaceAll('/', '-')}.o`);
  const target = ['-target', `aarch64-macos.${macos}`];
  await run(PYTHON, [...COMPILER, ...target, ...FLAGS, ...flagsOf(source), '-c', source, '-o', object]);
  return object;
}

function sources(): string[] {
  const plain = FOLDERS.flatMap((name) => {
    const path = join(REPOSITORY_ROOT, 'native', name);
    const files = readdirSync(path).filter((file) => file.endsWith('.cc') && !ELSEWHERE.test(file));
    return files.map((file) => join(path, file));
  });
  return [...plain, DEVICE];
}

async function compileAll(): Promise<string[]> {
  const waiting = sources();
  const objects: string[] = [];
  const next = async (): Promise<void> => {
    for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
      objects.push(await compile(source, OLDEST));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, next));
  return objects;
}

before(async () => {
  const url = pathToFileURL(join(REPOSITORY_ROOT, 'infra', 'build', 'embed-shaders.mjs')).href;
  ((await import(url)) as { embedShaders(): void }).embedShaders();
});

test('the addon compiles and links for macOS on Apple silicon', { skip }, async () => {
  const objects = await compileAll();
  const addon = join(folder, 'conclave.node');
  // Node, the C++ library, Metal and Foundation are there when it is loaded.
  const link = ['-target', `aarch64-macos.${OLDEST}`, '-dynamiclib', '-Wl,-undefined,dynamic_lookup'];
  await run(PYTHON, [...LINKER, ...link, ...objects, '-o', addon]);
  const machO64 = 0xfeedfacf;
  assert.equal(readFileSync(addon).readUInt32LE(0), machO64);
});

test('the Metal device compiles for the newer systems that deprecate parts of the old', { skip }, async () => {
  for (const macos of ['15.0', '26.0']) await compile(DEVICE, macos);
});

test('a call that older systems lack is refused outside of a check for it', { skip }, async () => {
  const source = join(folder, 'unguarded.mm');
  writeFileSync(source, '#import <Metal/Metal.h>\nvoid f(MTLCompileOptions *o) { o.mathMode = MTLMathModeSafe; }\n');
  await assert.rejects(compile(source, OLDEST), /only available on macOS 15/);
});

test('node-gyp hands every target of a Mac its flags', { skip: missingTools(['python3']) }, async () => {
  // Without CoreGraphics, a process of the command line is shown no GPU.
  const all = ['-ffp-contract=off', `-mmacosx-version-min=${OLDEST}`];
  const appleSilicon = await generateForMac('arm64');
  for (const flag of [...all, '-framework CoreGraphics', '-fobjc-arc']) assert.ok(appleSilicon.includes(flag), flag);
  const intel = await generateForMac('x64');
  for (const flag of [...all, '-mavx2', '-mavx512bf16']) assert.ok(intel.includes(flag), flag);
});

/** gyp as it is on a Mac with Apple's tools. */
const GYP_OF_A_MAC = `
import sys
sys.path.insert(0, sys.argv.pop(1))
import gyp, gyp.common, gyp.xcode_emulation
gyp.common.GetFlavor = lambda params: 'mac'
gyp.xcode_emulation.XcodeVersion = lambda: ('1500', '15A240d')
sys.exit(gyp.main(sys.argv[1:]))
`;

/** What gyp writes for make on a Mac, all files in one text. */
async function generateForMac(arch: string): Promise<string> {
  const output = join(folder, `gyp-${arch}`);
  const nodeGyp = dirname(require.resolve('node-gyp/package.json'));
  const headers = join(REPOSITORY_ROOT, 'native', 'build', 'node-headers');
  const includes = ['-I', join(nodeGyp, 'addon.gypi'), '-I', join(headers, 'include', 'node', 'common.gypi')];
  // As node-gyp defines them.
  const defines = Object.entries({
    target_arch: arch,
    node_root_dir: headers,
    node_gyp_dir: nodeGyp,
    node_lib_file: 'node.lib',
    module_root_dir: '.',
    node_engine: 'v8',
    library: 'shared_library',
    visibility: 'default',
    standalone_static_library: '1',
  }).map(([name, value]) => `-D${name}=${value}`);
  const args = ['binding.gyp', '-f', 'make', '--depth=.', '--no-parallel', `--generator-output=${output}`];
  const python = ['-c', GYP_OF_A_MAC, join(nodeGyp, 'gyp', 'pylib')];
  await run('python3', [...python, ...args, ...includes, ...defines], { cwd: join(REPOSITORY_ROOT, 'native') });
  const files = readdirSync(output, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.mk'));
  return files.map((name) => readFileSync(join(output, name), 'utf8')).join('\n');
}
