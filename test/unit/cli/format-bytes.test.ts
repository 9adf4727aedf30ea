import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatParameters } from '../../../infra/cli/format-bytes.ts';

test('bytes have decimal units and three decimals', () => {
  assert.deepEqual([0, 999, 1000, 15_854_469_120, 2.6e14].map(formatBytes), [
    '0 B',
    '999 B',
    '1.000 kB',
    '15.854 GB',
    '260.000 TB',
  ]);
});

test('parameters are counted in billions and millions', () => {
  assert.deepEqual([999, 15_476_992, 131_596_523_520].map(formatParameters), ['999', '15.48 M', '131.60 B']);
});
