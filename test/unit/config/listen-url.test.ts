import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenUrl } from '../../../infra/config/listen-url.ts';
import { readConfig } from '../../../infra/config/read-config.ts';

for (const [host, url] of [
  ['127.0.0.1', 'http://127.0.0.1:80'],
  ['localhost', 'http://localhost:80'],
  ['0.0.0.0', 'http://127.0.0.1:80'],
  ['0', 'http://127.0.0.1:80'],
  ['::', 'http://[::1]:80'],
  ['0:0::0', 'http://[::1]:80'],
  ['::1', 'http://[::1]:80'],
  ['FE80::1', 'http://[fe80::1]:80'],
  ['fe80::1%eth0', 'http://[fe80::1%eth0]:80'],
] as const) {
  test(`what listens on ${host} is reached at ${url}`, () => {
    assert.equal(listenUrl(host, 80), url);
  });
}

test('an address may stand in brackets, and comes from flag, environment or file', () => {
  assert.equal(readConfig({ host: '[::1]' }, {}).host, '::1');
  assert.equal(readConfig({}, { CONCLAVE_HOST: '[::]' }).host, '::');
  assert.equal(readConfig({ host: 'a.example' }, { CONCLAVE_HOST: '::' }).host, 'a.example');
});
