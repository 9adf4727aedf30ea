// conclave.yaml, environment and flags: what wins, and where an error is said to be.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pepperPath, readConfig } from '../../../infra/config/read-config.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';

function writeYaml(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'cv-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'conclave.yaml');
  writeFileSync(path, text);
  return path;
}

function errorOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof DomainError && error.code === 'bad_config');
    return error.message;
  }
  return 'no error';
}

test('defaults stand alone, and the result cannot be changed', () => {
  const config = readConfig({}, {});
  assert.deepEqual([config.host, config.port, config.limits.choices], ['127.0.0.1', 8080, 16]);
  assert.throws(() => Object.assign(config.limits, { choices: 99 }), TypeError);
  assert.equal(pepperPath(config), join(config.home, 'pepper'));
});

test('flags win over the environment, and the environment over the file', (t) => {
  const config = writeYaml(t, 'port: 1000\nhost: 0.0.0.0\nredisUrl: redis://file\nlimits:\n  choices: 3\n');
  const environment = { CONCLAVE_PORT: '2000', REDIS_URL: 'redis://environment', EXCHANGE_URL: '' };
  const read = readConfig({ config, port: 3000 }, environment);
  assert.deepEqual(
    [read.port, read.host, read.redisUrl, read.exchangeUrl, read.limits.choices, read.limits.messages],
    [3000, '0.0.0.0', 'redis://environment', undefined, 3, 1024],
  );
});

test('an unknown key is refused with its line and column', (t) => {
  const config = writeYaml(t, 'port: 8080\nlimits:\n  bodyBytes: 10\n  bodyByts: 20\n');
  assert.equal(
    errorOf(() => readConfig({ config }, {})),
    `${config}:4:3: unknown key \`limits.bodyByts\`.`,
  );
});

test('a wrong value is refused with its line and column', (t) => {
  const config = writeYaml(t, 'limits:\n  bodyBytes: many\n');
  const message = errorOf(() => readConfig({ config }, {}));
  assert.equal(message, `${config}:2:14: \`limits.bodyBytes\`: Invalid input: expected number, received string.`);
});

test('YAML that does not parse is refused with its place', (t) => {
  const config = writeYaml(t, 'port: [1\n');
  assert.match(
    errorOf(() => readConfig({ config }, {})),
    /conclave\.yaml: .* at line 2, column 1/,
  );
});

test('a file that is no mapping, or not there, is refused by name', (t) => {
  const config = writeYaml(t, '- 1\n');
  assert.equal(
    errorOf(() => readConfig({ config }, {})),
    `${config}: expected a mapping of settings at the top level.`,
  );
  assert.equal(
    errorOf(() => readConfig({ config: '/nowhere/c.yaml' }, {})),
    '/nowhere/c.yaml cannot be used (open: ENOENT): it does not exist: check the path.',
  );
});

test('a wrong variable or flag is named, not the file', (t) => {
  const config = writeYaml(t, 'port: 1000\n');
  assert.match(
    errorOf(() => readConfig({ config }, { CONCLAVE_PORT: 'x' })),
    /^CONCLAVE_PORT: `port`/,
  );
  assert.match(
    errorOf(() => readConfig({ config, port: 70_000 }, {})),
    /^--port: `port`/,
  );
});

test('a weight outside of its bounds cannot be configured', (t) => {
  for (const weight of ['5e-324', '0.0009', '1001', '.inf', '.nan']) {
    const config = writeYaml(t, `tenants: { weight: ${weight} }\n`);
    assert.match(
      errorOf(() => readConfig({ config }, {})),
      /:1:\d+: `tenants\.weight`/,
      weight,
    );
  }
});

function issuersError(t: TestContext, ...issuers: readonly object[]): string {
  const base = { audiences: ['a'], jwksUri: 'https://id/jwks' };
  const config = writeYaml(t, JSON.stringify({ auth: { jwt: issuers.map((issuer) => ({ ...base, ...issuer })) } }));
  return errorOf(() => readConfig({ config }, {}));
}

test('two issuers of one name or one URL are refused, and both are named', (t) => {
  const corp = { name: 'corp', issuer: 'https://id' };
  assert.match(
    issuersError(t, corp, { name: 'other', issuer: 'https://other' }, { ...corp, issuer: 'https://new' }),
    /`auth\.jwt\.2\.name`: is the same as `auth\.jwt\.0\.name`; .*Give each its own/,
  );
  assert.match(
    issuersError(t, corp, { ...corp, name: 'corp-2' }),
    /`auth\.jwt\.1\.issuer`: is the same as `auth\.jwt\.0\.issuer`/,
  );
});

test('keys of an issuer come over https, or over http from this machine', (t) => {
  const withKeysAt = (jwksUri: string) => issuersError(t, { name: 'corp', issuer: 'https://id', jwksUri });
  for (const host of ['id.example', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '[::2]', '0.0.0.0']) {
    assert.match(withKeysAt(`http://${host}/jwks`), /`auth\.jwt\.0\.jwksUri`: expected https/, host);
  }
  assert.match(
    withKeysAt('https://user:secret@id.example/jwks'),
    /jwksUri`: expected a URL without user and password\.$/,
  );
  for (const host of ['localhost:8080', '127.0.0.1', '127.1.2.3:1', '[::1]:9']) {
    assert.equal(withKeysAt(`http://${host}/jwks`), 'no error', host);
  }
});

test('a key that is there twice is refused by its line', (t) => {
  const config = writeYaml(t, 'port: 1\nport: 2\n');
  assert.match(
    errorOf(() => readConfig({ config }, {})),
    /unique.* at line 2/s,
  );
});

test('symmetric JWT algorithms cannot be configured', (t) => {
  const issuer = 'issuer: https://id, name: corp, audiences: [a], jwksUri: "https://id/jwks"';
  const config = writeYaml(t, `auth:\n  jwt:\n    - { ${issuer}, algorithms: [HS256] }\n`);
  assert.match(
    errorOf(() => readConfig({ config }, {})),
    /:3:\d+: `auth\.jwt\.0\.algorithms\.0`/,
  );
});
