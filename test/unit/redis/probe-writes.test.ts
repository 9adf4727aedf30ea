import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { describeRefusal } from '../../../infra/redis/probe-writes.ts';
import { asRedisError } from '../../../infra/redis/script-errors.ts';

test('what Redis answers to a refused write is named, without its details', () => {
  const cases = {
    'MISCONF Errors writing to the AOF file: No space left on device':
      'Redis cannot write its append-only file (No space left on device) and accepts no writes.',
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist on disk.':
      'Redis could not save its snapshot and accepts no writes. Its log has the reason.',
    'NOPERM this user has no permissions': 'The Redis user of this gateway has no permission to write.',
    'connect ECONNREFUSED 10.0.0.1:6379': 'Redis does not answer.',
  };
  for (const [message, reason] of Object.entries(cases)) assert.equal(describeRefusal(new Error(message)), reason);
});

test('a refused write is unavailable, in a script of Redis 6 and in a transaction too', () => {
  const inScript =
    "ERR Error running script (call to f_12ab): @user_script:7: -OOM command not allowed when used memory > 'maxmemory'.";
  const aborted = Object.assign(new Error('EXECABORT Transaction discarded because of previous errors.'), {
    previousErrors: [new Error("READONLY You can't write against a read only replica.")],
  });
  for (const error of [new Error(inScript), aborted, new Error('NOREPLICAS Not enough good replicas to write.')]) {
    const translated = asRedisError(error);
    assert.ok(translated instanceof DomainError);
    assert.deepEqual([translated.code, translated.retryAfterSeconds], ['unavailable', 1]);
  }
});
