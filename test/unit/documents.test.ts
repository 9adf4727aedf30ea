// What the documents and the code say of each other: citations and links lead somewhere, the index lists every decision,
// and the map in docs/develop.md names every folder.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';

const CODE_FOLDERS = ['gateway', 'workers', 'native', 'infra', 'test'];
const GENERATED = /(?:^|\/)(?:node_modules|build|golden\/fixtures)(?:\/|$)/;

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(REPOSITORY_ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => name.test(path) && !GENERATED.test(path));
}

function read(path: string): string {
  return readFileSync(join(REPOSITORY_ROOT, path), 'utf8');
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(path: string): string[] {
  return [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Why a link to `target` (a path and perhaps `#anchor`) leads nowhere; null when it does not. */
function broken(target: string): string | null {
  const [path = '', anchor] = target.split('#');
  if (!existsSync(join(REPOSITORY_ROOT, path))) return `${path} does not exist`;
  return anchor === undefined || anchorsOf(path).includes(anchor) ? null : `${path} has no heading #${anchor}`;
}

const code = CODE_FOLDERS.flatMap((folder) => filesBelow(folder, /\.(?:ts|mjs|cc|h|mm|metal|lua|py|gyp)$/));
const pages = ['README.md', 'CHANGELOG.md', ...filesBelow('docs', /\.md$/)];
const decisions = readdirSync(join(REPOSITORY_ROOT, 'docs/decisions')).filter((name) => /^\d{4}-.+\.md$/.test(name));
const numbers = decisions.map((name) => name.slice(0, 4));

test('every page and heading that code cites exists', () => {
  const cited = code.flatMap((path) =>
    [...read(path).matchAll(/\bdocs\/[\w/-]+(?:\.md(?:#[\w-]+)?)/g)].map(([target]) => ({ path, target })),
  );
  assert.ok(cited.length > 10, 'the citations were found');
  assert.deepEqual(
    cited.flatMap(({ path, target }) => (broken(target) === null ? [] : [`${path}: ${broken(target)}`])),
    [],
  );
});

test('every decision that code or a page cites by number exists', () => {
  const wrong = [...code, ...pages].flatMap((path) =>
    [...read(path).matchAll(/\bdecisions? (\d{4})\b/g)]
      .filter(([, number = '']) => !numbers.includes(number))
      .map(([text]) => `${path}: ${text}`),
  );
  assert.deepEqual(wrong, []);
});

test('every relative link of a page leads somewhere', () => {
  const wrong = pages.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      const problem = broken(target.startsWith('#') ? `${path}${target}` : normalize(join(dirname(path), target)));
      return problem === null ? [] : [`${path}: ${problem}`];
    }),
  );
  assert.deepEqual(wrong, []);
});

test('the index lists every decision once, by its title and status', () => {
  const index = read('docs/decisions/README.md');
  const entries = [...index.matchAll(/^- \[(\d{4})\]\((\S+?)\): (.+)$/gm)];
  assert.deepEqual(entries.map(([, , file]) => file).toSorted(), decisions.toSorted());
  for (const [, number = '', file = '', rest = ''] of entries) {
    const record = read(join('docs/decisions', file));
    const title = (record.match(/^# \d{4}[:.] (.+)$/m)?.[1] ?? '').trim();
    const successor = record.match(/^(?:Superseded|Replaced) by (\d{4})/m)?.[1];
    const status = successor === undefined ? '' : ` _Superseded by ${successor}._`;
    assert.equal(rest, `${title}${status}`, `the entry of ${number}`);
  }
});

test('supersession is recorded on both sides', () => {
  const pairs = (pattern: RegExp, order: (own: string, other: string) => string): string[] =>
    decisions
      .flatMap((name) =>
        [...read(join('docs/decisions', name)).matchAll(pattern)].map(([, other = '']) =>
          order(basename(name).slice(0, 4), other),
        ),
      )
      .toSorted();
  const newer = pairs(/^(?:Supersedes|Replaces) (\d{4})/gm, (own, other) => `${other} by ${own}`);
  assert.ok(newer.length > 0, 'supersessions were found');
  assert.deepEqual(
    pairs(/^(?:Superseded|Replaced) by (\d{4})/gm, (own, other) => `${own} by ${other}`),
    newer,
  );
});

/** Folders below gateway, workers, native and infra, to a depth of two, that hold code. */
function codeFolders(): string[] {
  const parts = CODE_FOLDERS.filter((part) => part !== 'test');
  const folders = code
    .filter((path) => parts.includes(path.split('/')[0] ?? ''))
    .map((path) => dirname(relative('.', path)).split('/').slice(0, 3).join('/'));
  return [...new Set(folders)].filter((folder) => folder.includes('/')).toSorted();
}

test('the map of docs/develop.md names every folder of code', () => {
  const map = read('docs/develop.md');
  assert.ok(codeFolders().length > 30, 'the folders were found');
  assert.deepEqual(
    codeFolders().filter((folder) => !map.includes(`\`${folder}\``)),
    [],
  );
});
