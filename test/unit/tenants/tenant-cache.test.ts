import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TenantCache } from '../../../infra/tenants/tenant-cache.ts';

/** A cache that counts what it had to make. */
function counting(most: number) {
  const cache = new TenantCache<number | null>(most);
  const made: string[] = [];
  const find = (tenant: string, asked: unknown, value: number | null = 1) =>
    cache.find(tenant, asked, () => {
      made.push(`${tenant} ${JSON.stringify(asked)}`);
      return value;
    });
  return { find, made };
}

test('what a tenant asked for before is not made again, null included', () => {
  const { find, made } = counting(4);
  assert.deepEqual([find('a', ['x'], null), find('a', ['x'], 2)], [null, null]);
  assert.deepEqual(made, ['a ["x"]']);
});

test('what one tenant asked for is made again for another', () => {
  const { find, made } = counting(4);
  find('a', 'x');
  find('b', 'x');
  assert.deepEqual(made, ['a "x"', 'b "x"']);
});

test('what was used longest ago is forgotten, and what cannot be made is not kept', () => {
  const { find, made } = counting(2);
  for (const asked of ['x', 'y', 'x', 'z', 'x', 'y']) find('a', asked);
  assert.deepEqual(made, ['a "x"', 'a "y"', 'a "z"', 'a "y"']);
  const cache = new TenantCache<number>(2);
  const fail = () => assert.throws(() => cache.find('a', 'x', () => assert.fail('it fails')), /it fails/);
  fail();
  fail();
});
