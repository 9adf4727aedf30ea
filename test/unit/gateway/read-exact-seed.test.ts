// Seeds of 64 bits: JSON numbers that doubles cannot hold reach the worker with all of their bits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withExactSeed } from '../../../gateway/request/read-exact-seed.ts';
import { CHAT } from '../../gateway-parts/bad-requests.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const read = (text: string) => withExactSeed({ value: JSON.parse(text), bytes: Buffer.from(text) });
const seedOf = (text: string) => (read(text) as { seed: unknown }).seed;

test('every integer of 64 bits is read exactly, wherever it stands', () => {
  const property = fc.property(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.dictionary(fc.string(), fc.jsonValue()),
    fc.boolean(),
    (seed, others, first) => {
      const { seed: _, ...rest } = others;
      const body = JSON.stringify({ ...rest, inner: { seed: 5, text: '"seed": 9007199254740995' } }, null, 1);
      const field = `"seed" : ${seed}`;
      const text = first ? `{ ${field}, ${body.slice(1)}` : `${body.slice(0, -1)}, ${field} }`;
      assert.equal(BigInt(seedOf(text) as bigint), seed);
    },
  );
  fc.assert(property, { seed: 41 });
});

test('of two seeds the last one counts, an escaped name is a name, and a power of ten is an integer', () => {
  assert.equal(seedOf('{"seed":9007199254740993,"s\\u0065ed":9007199254740995}'), 9007199254740995n);
  assert.equal(seedOf('{"seed":1e18}'), 10n ** 18n);
  assert.equal(seedOf('{"seed":5}'), 5);
  assert.equal(seedOf('{"seed":"9007199254740993"}'), '9007199254740993');
});

test('seeds that a double cannot tell apart reach the worker as two', async () => {
  const gateway = await createScriptedGateway();
  for (const seed of ['9007199254740993', '9007199254740994', '-9223372036854775808', '9223372036854775807', '-1']) {
    const text = `{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"seed":${seed}}`;
    const response = await gateway.post(CHAT, text);
    assert.equal(response.status, 200, await response.text());
  }
  const seeds = gateway.worker.requests.map(({ sampling }) => sampling.seed);
  const negative = ['9223372036854775808', '9223372036854775807', '18446744073709551615'];
  assert.deepEqual(seeds, ['9007199254740993', '9007199254740994', ...negative]);
});
