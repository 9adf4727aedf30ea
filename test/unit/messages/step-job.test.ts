// A step survives the way through the log, and damaged entries are refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeStepJob, encodeStepJob, type StepJob } from '../../../infra/messages/step-job.ts';
import { logFields, readLogEntry } from '../../../workers/exchange/step-log.ts';

const JOB: StepJob = {
  tokens: Int32Array.of(5, 6, 7),
  positions: Int32Array.of(0, 1, 64),
  sequences: Int32Array.of(0, 0, 1),
  blockTables: Int32Array.of(3, -1, 8, 9),
  blockTableWidth: 2,
  logitRows: Int32Array.of(1, 2),
};

test('a step comes back as it was, from any address', () => {
  const bytes = encodeStepJob(JOB);
  const elsewhere = Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);
  assert.deepEqual(decodeStepJob(elsewhere), JOB);
});

test('a step without logits comes back', () => {
  const job = { ...JOB, logitRows: new Int32Array(0) };
  assert.deepEqual(decodeStepJob(encodeStepJob(job)), job);
});

test('damaged steps are refused', () => {
  const bytes = encodeStepJob(JOB);
  const refused = (damaged: Buffer) => assert.throws(() => decodeStepJob(damaged), { code: 'internal' });
  refused(bytes.subarray(0, bytes.byteLength - 4));
  refused(bytes.subarray(0, bytes.byteLength - 1));
  refused(Buffer.concat([bytes, Buffer.alloc(4)]));
  refused(Buffer.alloc(0));
  for (const at of [0, 4, 8, 12, 16, 20]) {
    for (const value of [-1, 2 ** 31 - 1]) {
      const damaged = Buffer.from(bytes);
      damaged.writeInt32LE(value, at);
      refused(damaged);
    }
  }
});

test('a log entry says which step of which epoch it is', () => {
  const { field, payload } = logFields({ kind: 'step', epoch: 2 ** 31, step: 9, job: JOB });
  assert.deepEqual(readLogEntry([Buffer.from(field), payload]), { kind: 'step', epoch: 2 ** 31, step: 9, job: JOB });
  assert.throws(() => readLogEntry([Buffer.from('other'), payload]), { code: 'internal' });
});
