import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseFullDisk } from '../../../workers/pack/refuse-full-disk.ts';

test('packs that do not fit on the disk are refused with both numbers before any is written', () => {
  refuseFullDisk('/home/packs', 1000, 1000, 'building the packs');
  assert.throws(() => refuseFullDisk('/home/packs', 999, 1000, 'building the packs'), {
    code: 'unavailable',
    message: '/home/packs: building the packs takes 1000 bytes of disk, but only 999 are free',
  });
});
