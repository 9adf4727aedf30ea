// `npm run verify:metal`, on a Mac with Apple silicon: does what the documentation says of the Metal backend hold on its
// GPU? Writes metal-report.md, to be sent back. Elsewhere it says that there is no such GPU and fails. With --compile-only it
// only compiles the kernels, for GPUs of any family, such as those of hosted runners.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkMac, readMacFacts } from '../../infra/cli/check-mac.ts';
import { gpuProperties } from '../../native/model-session.ts';
import { checkEngine } from '../golden/check-engine.ts';
import { servedGoldenNames } from '../golden/golden-fixtures.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { runConclave } from '../run-conclave.ts';
import { askGpu, type Section, squareRoots } from './measure-metal.ts';
import { buildMetalTests } from './metal-target.ts';

const REPORT = join(REPOSITORY_ROOT, 'metal-report.md');
const DEMO = join(REPOSITORY_ROOT, 'models', 'demo');
const run = promisify(execFile);

function machine(): Section {
  const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: REPOSITORY_ROOT, encoding: 'utf8' }).stdout?.trim();
  const tools = [ask('sw_vers'), ask('clang', '--version'), ask('xcrun', '--show-sdk-version')];
  const findings = checkMac(readMacFacts(totalmem())).map(({ what, state, detail }) => `${state} ${what}: ${detail}`);
  const lines = [`commit ${commit}`, cpus()[0]?.model ?? '', ...tools, ...findings];
  return { title: 'Machine', passed: true, lines };
}

function ask(command: string, ...args: readonly string[]): string {
  const { stdout, error } = spawnSync(command, args, { encoding: 'utf8' });
  return error === undefined ? stdout.trim() : `${command}: ${error.message}`;
}

function gpu(): Section {
  return { title: 'GPU', passed: true, lines: [JSON.stringify(gpuProperties('metal'))] };
}

/** The C++ tests, among them every kernel on the GPU beside f64 arithmetic and the emulated device. */
async function kernels(): Promise<Section> {
  const program = await buildMetalTests();
  const { stdout, failed } = await run(program, [], { maxBuffer: 1 << 26 }).then(
    (ended) => ({ stdout: ended.stdout, failed: false }),
    (failure: { stdout?: string; message: string }) => ({ stdout: failure.stdout ?? failure.message, failed: true }),
  );
  return {
    title: 'Kernels: error against f64, distance from the emulated device',
    passed: !failed,
    lines: stdout.split('\n'),
  };
}

async function golden(home: string, variant: string): Promise<Section> {
  const lines: string[] = [];
  for (const name of servedGoldenNames()) {
    const outcome = await checkEngine(name, home, 'metal', variant).then(
      () => 'ok',
      (failure: Error) => `FAILED ${failure.message}`,
    );
    lines.push(`${name}: ${outcome}`);
  }
  return { title: `Golden logits, ${variant}`, passed: lines.every((line) => line.endsWith(': ok')), lines };
}

/** Lanes promise the CPU's bits. */
function sameAsCpu(home: string): Section {
  const args = [
    '--model',
    DEMO,
    '--home',
    home,
    '--chat',
    '--prompt',
    'Tell me a story.',
    '--max-tokens',
    '64',
    '--json',
  ];
  const answer = (...flags: readonly string[]): string => {
    const { status, stdout, stderr } = runConclave('generate', ...args, ...flags);
    return status === 0 ? JSON.stringify(JSON.parse(stdout).token_ids) : stderr;
  };
  const cpu = answer('--backend', 'cpu');
  const lines = ['lanes', 'matrices'].map((variant) => {
    const same = answer('--backend', 'metal', '--variant', variant) === cpu;
    return `${variant}: ${same ? 'the same tokens as the CPU' : 'other tokens than the CPU'}`;
  });
  return { title: 'Demo model', passed: true, lines };
}

/** Compiling the kernels takes long; the system should remember them from one process to the next (decision 0094). */
function starts(home: string): Section {
  const args = ['--model', DEMO, '--home', home, '--prompt', 'Hello', '--max-tokens', '1', '--backend', 'metal'];
  const outcomes = ['first', 'second'].map((which) => {
    const startedMs = performance.now();
    const { status, stderr } = runConclave('generate', ...args);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(2);
    return { passed: status === 0, line: status === 0 ? `${which} start: ${seconds} s` : stderr.trim() };
  });
  const lines = outcomes.map(({ line }) => line);
  return { title: 'Starts', passed: outcomes.every(({ passed }) => passed), lines };
}

function bench(): Section {
  const outcomes = ['decode', 'prefill'].map((what) => runConclave('bench', what, '--model', DEMO, '--json'));
  const lines = outcomes.map(({ status, stdout, stderr }) => (status === 0 ? stdout.trim() : stderr.trim()));
  return { title: 'Benches of the demo model', passed: outcomes.every(({ status }) => status === 0), lines };
}

function render(sections: readonly Section[]): string {
  const body = sections.map(
    ({ title, passed, lines }) =>
      `## ${title}: ${passed ? 'passed' : 'FAILED'}\n\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`,
  );
  return `# Metal on hardware\n\n${body.join('\n')}`;
}

/** A section that fails becomes a line of the report, and the others still run. */
async function attempt(title: string, section: () => Section | Promise<Section>): Promise<Section> {
  try {
    return await section();
  } catch (error) {
    return { title, passed: false, lines: [error instanceof Error ? error.message : String(error)] };
  }
}

async function verify(): Promise<void> {
  const home = mkdtempSync(join(REPOSITORY_ROOT, '.verify-metal-'));
  const sections = [await attempt('Machine', machine)];
  try {
    if (process.argv.includes('--compile-only')) {
      sections.push(await attempt('Kernels compile', () => askGpu('compile')));
      return;
    }
    sections.push(await attempt('GPU', gpu));
    // Without a GPU none of the others can pass; the report has why there is none.
    if (sections.every(({ passed }) => passed)) await verifyGpu(home, sections);
  } finally {
    rmSync(home, { recursive: true, force: true });
    tell(sections);
  }
}

function tell(sections: readonly Section[]): void {
  writeFileSync(REPORT, render(sections));
  for (const { title, passed, lines } of sections) {
    if (passed) console.log(`passed ${title}`);
    else console.error(`FAILED ${title}: ${lines[0] ?? ''}`);
  }
  console.log(`Written to ${REPORT}; please send it back.`);
  if (sections.some(({ passed }) => !passed)) process.exitCode = 1;
}

async function verifyGpu(home: string, sections: Section[]): Promise<void> {
  sections.push(await attempt('Starts', () => starts(home)), await attempt('Kernels', kernels));
  for (const variant of ['lanes', 'matrices']) {
    sections.push(await attempt(`Golden logits, ${variant}`, () => golden(home, variant)));
  }
  sections.push(await attempt('Demo model', () => sameAsCpu(home)), await attempt('Benches', bench));
  sections.push(await attempt('Kernels compile', () => askGpu('compile')), await attempt('Square roots', squareRoots));
  sections.push(await attempt('Times and rates', () => askGpu('measure')));
}

try {
  await verify();
} catch (error) {
  console.error(`verify:metal: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
