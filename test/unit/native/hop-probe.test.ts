// The addon's probe of hops: what it takes, and that wrong arguments do no worse than throw a coded error. What it measures is
// the business of `conclave bench hop`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AddonHopProbeOptions } from '../../../native/addon-types.ts';
import { startSilentExchange } from './silent-exchange.ts';
import { addon } from './zero-model.ts';

const { address } = await startSilentExchange();

const ALONE: AddonHopProbeOptions = {
  exchanges: [address],
  name: 'probe',
  toAll: [{ exchange: 0, key: '0' }],
  toMember: [{ exchange: 0, key: '' }],
  incoming: [],
  incomingFrom: new Int32Array(0),
  centralized: false,
  bare: ['bare'],
  me: 0,
  slots: 2,
  width: 8,
};

test('rounds of a node alone take the time of its writes', () => {
  const probe = addon.createHopProbe(ALONE);
  assert.deepEqual(Object.getOwnPropertyNames(Object.getPrototypeOf(probe)).sort(), [
    'constructor',
    'exchangeSeconds',
    'transportSeconds',
  ]);
  assert.ok(probe.exchangeSeconds(1, 3) > 0);
  assert.ok(probe.transportSeconds(1, 3) > 0);
});

test('invalid blocks and rounds are refused', () => {
  const probe = addon.createHopProbe(ALONE);
  for (const [block, rounds] of [
    [0, 1],
    [-1, 1],
    [1, 0],
    [1, 65_536],
    [1, 0.5],
  ] as const) {
    assert.throws(() => probe.exchangeSeconds(block, rounds), { code: 'invalid_argument' });
    assert.throws(() => probe.transportSeconds(block, rounds), { code: 'invalid_argument' });
  }
});

test('an exchange that is away is a failure of its own', () => {
  const away = { ...ALONE, exchanges: [{ ...address, path: `${address.path}-of-none` }] };
  assert.throws(() => addon.createHopProbe(away), { code: 'exchange', message: /No such file/ });
});

test('no option does worse than a coded error', () => {
  const wrong = fc.oneof(
    fc.anything({ withTypedArray: true, withBigInt: true }),
    fc.constantFrom(-1, 0, 1, 2 ** 31, NaN, null),
    fc.array(fc.string(), { maxLength: 3 }),
  );
  const changed = fc
    .tuple(fc.constantFrom(...Object.keys(ALONE)), wrong)
    .map(([key, value]) => ({ ...ALONE, [key]: value }));
  fc.assert(
    fc.property(changed, (options) => {
      try {
        addon.createHopProbe(options);
      } catch (error) {
        const codes = ['invalid_argument', 'exchange', 'out_of_memory'];
        assert.ok(error instanceof Error && 'code' in error && codes.includes(String(error.code)), String(error));
      }
    }),
    { numRuns: 300, seed: 16 },
  );
});
