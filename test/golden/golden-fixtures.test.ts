// The fixtures are whole and small: what every comparison with transformers stands on.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { INDEX_FILE, readCheckpointIndex } from '../../workers/model/checkpoint-index.ts';
import { MODEL_TYPES } from '../../workers/model/families/model-families.ts';
import { FIXTURES, goldenNames, readGolden, servedGoldenNames } from './golden-fixtures.ts';

const fixtures = goldenNames().map((name) => ({ folderName: name, ...readGolden(name) }));

test('there are fixtures for every weight dtype', () => {
  assert.deepEqual([...new Set(fixtures.map((fixture) => fixture.dtype))].sort(), ['bf16', 'f16', 'f32']);
});

test('the engine is compared with transformers in every family that it has a mapping for', () => {
  const served = new Set(servedGoldenNames());
  const familyOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).model_type;
  const compared = fixtures.filter(({ name }) => served.has(name)).map(({ folder }) => familyOf(folder));
  assert.deepEqual([...new Set(compared)].sort(), [...MODEL_TYPES].sort());
});

const families = new Set(fixtures.map(({ name }) => dirname(name)).filter((family) => family !== '.'));

for (const family of families) {
  test(`${family} has two shapes in f32, one in bf16, one in shards and one of more than three KV blocks`, () => {
    const shapes = fixtures.filter(({ name }) => dirname(name) === family);
    assert.ok(shapes.filter(({ dtype }) => dtype === 'f32').length >= 2);
    assert.ok(shapes.some(({ dtype }) => dtype === 'bf16'));
    assert.ok(shapes.some(({ folder }) => existsSync(join(folder, INDEX_FILE))));
    assert.ok(shapes.some(({ dtype, tokens }) => dtype === 'f32' && tokens.length > 3 * 64));
  });
}

for (const fixture of fixtures) {
  test(`${fixture.name} has finite logits for every kept position`, () => {
    assert.equal(fixture.name, fixture.folderName);
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

  test(`${fixture.name} has a whole checkpoint of its dtype`, async () => {
    const { tensors } = await readCheckpointIndex(fixture.folder);
    const dtypes = new Set([...tensors.values()].map(({ dtype }) => dtype));
    assert.ok(dtypes.has(fixture.dtype.toUpperCase()), `${[...dtypes]}`);
  });
}

test('all fixtures together stay below 12 MB', () => {
  const bytes = readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(FIXTURES, name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  assert.ok(bytes > 0 && bytes < 12e6, `${bytes} bytes`);
});
