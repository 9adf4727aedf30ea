// Entries of a group's step log: the plan of an epoch, then its steps, each as the fields of a stream entry. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { decodePlan, encodePlan, type GroupPlan } from '../../infra/messages/group-plan.ts';
import { decodeStepJob, encodeStepJob, type StepJob } from '../../infra/messages/step-job.ts';
import type { EntryFields } from './stream-reader.ts';

export type LogEntry =
  | { readonly kind: 'plan'; readonly plan: GroupPlan }
  | { readonly kind: 'step'; readonly epoch: number; readonly step: number; readonly job: StepJob };

/** A step's number and epoch stand before the job, as two 32-bit words. */
const STEP_PREFIX_BYTES = 8;

/** Where an entry stands in the log, and its one field. */
export function logFields(entry: LogEntry): {
  readonly epoch: number;
  readonly step: number;
  readonly field: string;
  readonly payload: Buffer;
} {
  if (entry.kind === 'plan') {
    return { epoch: entry.plan.epoch, step: 0, field: 'plan', payload: Buffer.from(encodePlan(entry.plan)) };
  }
  const { epoch, step } = entry;
  const prefix = Buffer.alloc(STEP_PREFIX_BYTES);
  prefix.writeUInt32LE(epoch, 0);
  prefix.writeUInt32LE(step, 4);
  return { epoch, step, field: 'step', payload: Buffer.concat([prefix, encodeStepJob(entry.job)]) };
}

/** Throws DomainError `internal` for what logFields did not write. */
export function readLogEntry([field, payload]: EntryFields): LogEntry {
  const kind = field?.toString();
  if (kind === 'plan' && payload !== undefined) return { kind: 'plan', plan: decodePlan(payload.toString()) };
  if (kind === 'step' && payload !== undefined && payload.byteLength > STEP_PREFIX_BYTES) {
    const job = decodeStepJob(payload.subarray(STEP_PREFIX_BYTES));
    return { kind: 'step', epoch: payload.readUInt32LE(0), step: payload.readUInt32LE(4), job };
  }
  throw new DomainError('internal', `The step log has an entry of the unknown kind ${kind}.`);
}
