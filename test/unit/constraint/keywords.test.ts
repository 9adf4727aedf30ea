// The table of keywords in docs/use.md is that of the code, and the code does what it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { FORMATS } from '../../../gateway/constraint/schema/formats.ts';
import { jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import { KEYWORDS } from '../../../gateway/constraint/schema/keywords.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

const page = readFileSync(join(REPOSITORY_ROOT, 'docs', 'use.md'), 'utf8');

test('docs/use.md has a row for each keyword, as the code treats it', () => {
  const rows = KEYWORDS.map(({ name, treatment, note }) => [`\`${name}\``, treatment, note]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const table = [line(['keyword', '', '']), rule, ...rows.map(line)].join('\n');
  assert.ok(page.includes(table), `expected in docs/use.md:\n${table}`);
});

test('docs/use.md lists the formats', () => {
  const listed = [...FORMATS.keys()].map((format) => `\`${format}\``).join(', ');
  assert.ok(page.includes(`Formats: ${listed}.`), listed);
});

test('keywords that are refused are refused, and no others', () => {
  for (const { name, treatment } of KEYWORDS) {
    const build = () => jsonSchema({ [name]: true }, 'schema');
    if (treatment === 'refused') assert.throws(build, /is not supported/, name);
    if (treatment === 'annotation' && name !== '$schema') build();
  }
});
