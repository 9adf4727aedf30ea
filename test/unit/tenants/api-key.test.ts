// Keys as text and hash, tenant ids, and the file that keyed hashes depend on.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { apiKeyPrefix, hashApiKey, hashesMatch, makeApiKey } from '../../../infra/tenants/api-key.ts';
import { readPepper } from '../../../infra/tenants/read-pepper.ts';
import { issuedTenantId, isTenantId, isTenantName } from '../../../infra/tenants/tenant-id.ts';

test('a key has its prefix in it, and no two are alike', () => {
  const keys = Array.from({ length: 100 }, () => makeApiKey(randomBytes));
  for (const { prefix, text } of keys) assert.equal(apiKeyPrefix(text), prefix);
  assert.equal(new Set(keys.map(({ text }) => text)).size, 100);
});

test('bytes that would make some characters likelier are dropped', () => {
  const bytes = [255, 254, 0, 57, 58];
  const { text } = makeApiKey((size) => Uint8Array.from({ length: size }, (_, at) => bytes[at % 5] ?? 0));
  assert.ok(/^cvk_[0yz]{12}_[0yz]{43}$/.test(text), text);
});

test('text that is not shaped like a key has no prefix', () => {
  const { text } = makeApiKey(randomBytes);
  for (const wrong of ['', 'cvk_', `${text}x`, text.slice(1), text.replace('_', '-'), `${text}\n`]) {
    assert.equal(apiKeyPrefix(wrong), undefined);
  }
});

test('a hash depends on every character and on the pepper', () => {
  const pepper = Buffer.alloc(32, 1);
  const hash = hashApiKey(pepper, 'cvk_a');
  assert.ok(hashesMatch(hash, hashApiKey(pepper, 'cvk_a')));
  assert.ok(!hashesMatch(hash, hashApiKey(pepper, 'cvk_b')));
  assert.ok(!hashesMatch(hash, hashApiKey(Buffer.alloc(32, 2), 'cvk_a')));
  assert.ok(!hashesMatch(hash, Buffer.alloc(0)));
});

test("no claim can spell an API-key tenant's id or another issuer's", () => {
  assert.ok(isTenantName('acme') && !isTenantName('corp/acme') && isTenantId('corp/acme'));
  assert.equal(issuedTenantId('corp', 'acme'), 'corp/acme');
  for (const claim of ['', '/x', 'a/b', '.', 'a\u0000', 'a b', 'ä', 7, null, {}, 'x'.repeat(129)]) {
    assert.equal(issuedTenantId('corp', claim), undefined, String(claim));
  }
});

test('the pepper is made once, for its owner only, and refused when it is no secret', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cv-pepper-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'home', 'pepper');
  const made = readPepper(path);
  assert.deepEqual(readPepper(path), made);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(readFileSync(path).length, 64);
  writeFileSync(path, 'short');
  assert.throws(() => readPepper(path), {
    code: 'bad_config',
    message: `${path}: expected a pepper of at least 32 bytes. Restore it from a backup; without it all keys are invalid.`,
  });
});
