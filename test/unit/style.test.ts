// Rules that a machine can hold: lint and format of TypeScript, no unused exports, files or packages, format of C++, and
// phrases that plain English does without.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';

function run(command: string, args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: REPOSITORY_ROOT, encoding: 'utf8' });
  return { status, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

const tool = (name: string): string => join(REPOSITORY_ROOT, 'node_modules', '.bin', name);

test('TypeScript is formatted and free of lint', () => {
  const { status, output } = run(tool('biome'), ['check', '--error-on-warnings', '.']);
  assert.equal(status, 0, output);
});

test('nothing is exported, listed or kept without use', () => {
  const { status, output } = run(tool('knip'), ['--treat-config-hints-as-errors']);
  assert.equal(status, 0, output);
});

const hasClangFormat = spawnSync('clang-format-16', ['--version']).error === undefined;
const required = process.env['CONCLAVE_TEST_REQUIRE_TOOLS'] !== undefined;
const skip = hasClangFormat || required ? false : 'clang-format-16 is not installed';
test('C++ is formatted', { skip }, () => {
  const { status, output } = run(process.execPath, ['infra/build/format-native.mjs', '--check']);
  assert.equal(status, 0, output);
});

/** A phrase and its replacement. Records of decisions and measurements keep the wording of their day. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\banew\b/i, 'again, or from the start'],
  [/\bfor ever\b/i, 'indefinitely, or without end'],
  [/\bso many\b/i, 'the number, or this many'],
  [/\bfor so long\b/i, 'for this long, or the time'],
  [/(?<!\bconst \w+ )\bof late\b/i, 'recent, or recently'],
  [/\bagain and again\b/i, 'repeatedly'],
  [/\b(?:in|by) turns\b/i, 'alternately'],
  [/\bwithout a word\b/i, 'silently'],
  // Not the system user, whose constant is upper case.
  [/\b[Nn]obody\b/, 'the thing that is missing: no node, no client'],
  [/\b[Ww]hoever\b/, 'the caller, the reader, or another name of the actor'],
  [/\b(?:[Ee]very|[Ss]ome|[Aa]ny)body\b/, 'the actor by its name: every member, another process'],
  // "There is none" and "is none of" are idiomatic; `content is none }}` is Jinja.
  [/(?<!\bthere )\b(?:is|are) none\b(?! (?:of\b|\}\}))/i, 'is not one, or what it is instead'],
  [/\b(?:can|cannot|could|may|to) be had\b/i, 'is available'],
  [
    /\b(?:machine|node|process|worker|gateway|leader|member|follower|server|thread|group|replica|request|sequence|file)s?,? whom?\b/i,
    'which, or that: only people are "who"',
  ],
  [/\b(?:Redis|server|exchange|gateway|leader|node|worker) (?:is|was|are|were) away\b/, 'is unreachable'],
];

function proseFiles(): string[] {
  const folders = ['gateway', 'workers', 'native', 'infra', 'test', 'docs'];
  const below = folders.flatMap((folder) =>
    readdirSync(join(REPOSITORY_ROOT, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  );
  const kept =
    /^native\/build|^docs\/decisions|^docs\/performance-log|^infra\/demo-model\/corpus|node_modules|style\.test/;
  return ['README.md', 'CHANGELOG.md', ...below].filter(
    (path) => /\.(?:ts|mjs|cc|h|mm|metal|lua|md)$/.test(path) && !kept.test(path),
  );
}

test('the phrases match mannerisms and leave idioms and code alone', () => {
  const matches = (line: string): boolean => PHRASES.some(([phrase]) => phrase.test(line));
  const mannerisms = [
    'Nobody waits.',
    'A frame is none.',
    'it cannot be had',
    'the node who leads',
    'while Redis was away',
  ];
  const fine = [
    'Null if there is none.',
    'it is none of ours',
    '{{ content is none }}',
    'const NOBODY = 65_534;',
    'for (const member of late) drop(member);',
    'the owners of rows whose sums are missing',
    'a turn of the event loop',
  ];
  assert.deepEqual(
    mannerisms.filter((line) => !matches(line)),
    [],
  );
  assert.deepEqual(fine.filter(matches), []);
});

test('comments, messages and documents use plain English', () => {
  const files = proseFiles();
  assert.ok(files.length > 400, 'the files were found');
  const found = files.flatMap((path) =>
    readFileSync(join(REPOSITORY_ROOT, path), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        PHRASES.filter(([phrase]) => phrase.test(line)).map(
          ([phrase, instead]) => `${path}:${index + 1}: ${phrase.source}; write ${instead}`,
        ),
      ),
  );
  assert.deepEqual(found, []);
});
