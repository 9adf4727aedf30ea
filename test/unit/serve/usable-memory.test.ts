import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';
import { refuseTooLarge, usableMemory } from '../../../workers/serve/usable-memory.ts';

/** DBRX Instruct: 131.6 billion weights. */
const DBRX = exampleModel(dbrx);

test('a model larger than the memory is refused with the numbers, one that fits is not', () => {
  // 263.2 GB of weights; 40 layers x 2 x 8 heads x 128 values of 2 bytes a token.
  refuseTooLarge(DBRX, 32_768, 263.2e9 + 32_768 * 163_840);
  assert.throws(() => refuseTooLarge(DBRX, 32_768, 192e9), {
    code: 'bad_config',
    message:
      "The model's weights need 263 GB and a KV cache of 32768 tokens 5.37 GB, but only 192 GB of this machine's memory may be used. " +
      'Share the experts among several machines (`conclave node`).',
  });
});

test('some of the memory is left to the system', () => {
  assert.ok(usableMemory() > 0 && usableMemory() < totalmem());
});
