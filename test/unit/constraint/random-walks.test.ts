// Masks of three vocabularies over about 200 schemas. `npm run walk-constraints` walks for longer.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import { DEMO_MODEL } from '../../../infra/package-facts.ts';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import { readTokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { HAND_MADE, samples, writeJson } from '../../constraint-schemas.ts';
import { createOracle, randomFrom, Walks } from '../../constraint-walks.ts';
import { type TestVocabulary, tiktokenVocabulary } from '../../tiktoken-vocabulary.ts';

/** How many times as much as usual. */
const EFFORT = Number(process.env['CONCLAVE_WALKS'] ?? 1);
const GENERATED = fc.sample(samples(), { numRuns: 120, seed: 170 });
const SCHEMAS = [...HAND_MADE, ...GENERATED.map(({ schema }) => schema)].map((schema) => ({
  schema,
  constraint: compileConstraint(jsonSchema(schema, 'schema')),
  faultOf: createOracle(schema),
}));

async function demoVocabulary(): Promise<TestVocabulary> {
  const tokenizer = await createTokenizer(await readTokenizerFiles(DEMO_MODEL, 'dbrx'));
  const bytes = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenBytes(id));
  const [end = 0] = tokenizer.eosIds;
  return { vocab: bytes.length, bytes, end, isControl: (id) => tokenizer.isSilent(id) };
}

const VOCABULARIES: Readonly<Record<string, () => Promise<TestVocabulary>>> = {
  'the demo model': demoVocabulary,
  '32k tokens': async () => tiktokenVocabulary('cl100k_base', 32_000),
  '152k tokens': async () => tiktokenVocabulary('o200k_base', 152_000),
};

for (const [name, open] of Object.entries(VOCABULARIES)) {
  test(`finished walks are valid: ${name}`, async () => {
    const walks = new Walks(await open());
    let finished = 0;
    for (const [at, { schema, constraint, faultOf }] of SCHEMAS.entries()) {
      const masks = walks.masksOf(constraint);
      for (let walk = 0; walk < EFFORT; walk += 1) {
        const text = walks.walk(masks, randomFrom(1 + at + 1000 * walk));
        if (text === null) continue;
        finished += 1;
        assert.equal(faultOf(text), null, `${JSON.stringify(schema)} allowed ${text}`);
      }
    }
    assert.ok(finished > 0.9 * EFFORT * SCHEMAS.length, `${finished} walks of ${EFFORT * SCHEMAS.length} ended`);
  });
}

test('valid instances can be walked', async () => {
  const walks = new Walks(await demoVocabulary());
  for (const [at, { instance }] of GENERATED.entries()) {
    const { schema, constraint, faultOf } = SCHEMAS[HAND_MADE.length + at] ?? assert.fail();
    const masks = walks.masksOf(constraint);
    for (const value of fc.sample(instance, { numRuns: 5 * EFFORT, seed: 171 })) {
      const written = writeJson(value);
      assert.equal(faultOf(written), null, `the generator is right: ${JSON.stringify(schema)}`);
      assert.equal(walks.refusedAt(masks, written), null, `${JSON.stringify(schema)} refused ${written}`);
    }
  }
});
