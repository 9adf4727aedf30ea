// The fixtures are whole and small: what every comparison with transformers stands on.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { goldenNames, readGolden } from './golden-fixtures.ts';

const fixtures = goldenNames().map(readGolden);

test('there are fixtures for every weight dtype', () => {
  assert.deepEqual([...new Set(fixtures.map((fixture) => fixture.dtype))].sort(), ['bf16', 'f16', 'f32']);
});

for (const fixture of fixtures) {
  test(`${fixture.name} has finite logits for every kept position`, () => {
    assert.equal(fixture.logits.rows, fixture.positions.length);
    assert.ok(fixture.logits.data.every(Number.isFinite));
    assert.equal(fixture.positions.at(-1), fixture.tokens.length - 1);
    assert.equal(fixture.dtypeLogits === null, fixture.dtype === 'f32');
    assert.equal(fixture.dtypeLogits?.data.length ?? fixture.logits.data.length, fixture.logits.data.length);
  });

  test(`${fixture.name} has 64 greedy tokens, each with a lead over the second best`, () => {
    assert.equal(fixture.greedy.tokens.length, 64);
    assert.equal(fixture.greedy.margins.length, 64);
    assert.ok(fixture.greedy.margins.every((margin) => margin > 0));
  });
}

test('all fixtures together stay below 5 MB', () => {
  const root = dirname(fixtures[0]?.folder ?? '');
  const bytes = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(root, name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  assert.ok(bytes > 0 && bytes < 5e6, `${bytes} bytes`);
});
