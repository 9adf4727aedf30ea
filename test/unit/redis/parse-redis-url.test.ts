import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRedisUrl } from '../../../infra/redis/connect.ts';

test('a network URL gives host, port, database, user and password', () => {
  assert.deepEqual(parseRedisUrl('redis://u:p%40ss@redis.lan:7000/3', 'REDIS_URL'), {
    host: 'redis.lan',
    port: 7000,
    db: 3,
    username: 'u',
    password: 'p@ss',
  });
  assert.deepEqual(parseRedisUrl('redis://[::1]', 'REDIS_URL'), { host: '::1', port: 6379, db: 0 });
});

test('rediss:// asks for TLS', () => {
  assert.deepEqual(parseRedisUrl('rediss://h', 'REDIS_URL'), { host: 'h', port: 6379, db: 0, tls: {} });
});

test('a socket URL gives its path, also with spaces', () => {
  assert.deepEqual(parseRedisUrl('unix:///run/my%20app/r.sock?password=s3&db=2', 'REDIS_URL'), {
    path: '/run/my app/r.sock',
    db: 2,
    password: 's3',
  });
});

test('a bad URL names its setting and what is wrong, without the password', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['not a url', 'something that is not a URL'],
    ['', 'something that is not a URL'],
    ['http://:secret@h', 'a "http:" URL'],
    ['redis://:secret@h/one', 'the database "one", which is not a number'],
    ['unix://host/path', 'a unix:// URL without an absolute path'],
    ['unix:///', 'a unix:// URL without an absolute path'],
  ];
  for (const [url, received] of cases) {
    assert.throws(() => parseRedisUrl(url, 'EXCHANGE_URL'), {
      code: 'bad_config',
      param: 'EXCHANGE_URL',
      message: `Expected redis://, rediss:// or unix:// for EXCHANGE_URL but received ${received}.`,
    });
  }
});
