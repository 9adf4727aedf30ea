import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whyUnreachable } from '../../../infra/cli/why-unreachable.ts';

test('a Mac that may not use the local network is told where to allow it', () => {
  const refused = 'connect EHOSTUNREACH 10.0.0.1:6379';
  assert.match(
    whyUnreachable(refused, 'darwin'),
    /^connect EHOSTUNREACH 10\.0\.0\.1:6379: .*Local Network.*launchd daemon/,
  );
  assert.equal(whyUnreachable(refused, 'linux'), refused);
  assert.equal(whyUnreachable('connect ECONNREFUSED 10.0.0.1:6379', 'darwin'), 'connect ECONNREFUSED 10.0.0.1:6379');
});
