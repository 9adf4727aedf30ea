import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkRequestId, decodeQueueName, encodeQueueName } from '../../../infra/queue/queue-name.ts';
import { SEED } from '../../fair-schedule.ts';

const part = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' });

test('every model and tenant comes back from its queue name, which BullMQ accepts', () => {
  fc.assert(
    fc.property(part, part, (model, tenant) => {
      const name = encodeQueueName({ model, tenant });
      assert.match(name, /^[A-Za-z0-9._=-]+@[A-Za-z0-9._=-]+$/);
      assert.deepEqual(decodeQueueName(name), { model, tenant });
    }),
    { seed: SEED },
  );
});

test('tenants that differ in one character have different queues', () => {
  const names = ['a:b', 'a=3Ab', 'a@b', 'a b', 'a-b'].map((tenant) => encodeQueueName({ model: 'm', tenant }));
  assert.equal(new Set(names).size, names.length);
});

test('an empty or overlong tenant is refused by name', () => {
  const code = 'invalid_request';
  assert.throws(() => encodeQueueName({ model: 'm', tenant: '' }), {
    code,
    message: 'Expected 1 to 256 bytes for `tenant` but received 0.',
  });
  assert.throws(() => encodeQueueName({ model: 'm'.repeat(257), tenant: 't' }), {
    code,
    message: 'Expected 1 to 256 bytes for `model` but received 257.',
  });
});

test('a name that no queue can have is refused', () => {
  for (const name of ['', 'm', 'm@', 'm@t@x', 'm@t:1', 'm@=3', 'm@=3a']) {
    assert.throws(() => decodeQueueName(name), {
      code: 'invalid_request',
      message: `Expected a queue name <model>@<tenant> but received "${name}".`,
    });
  }
});

test('ids that BullMQ would take for numbers, or split, are refused', () => {
  checkRequestId('chatcmpl-0a1B_c2');
  for (const id of ['12345678', 'short', 'has:colon', 'has space', '0:abcdefg', `a${'b'.repeat(80)}`]) {
    assert.throws(() => checkRequestId(id), {
      code: 'invalid_request',
      message: `Expected a letter and 7 to 79 of [A-Za-z0-9_-] for \`id\` but received "${id}".`,
    });
  }
});
