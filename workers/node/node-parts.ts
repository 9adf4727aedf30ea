// What a member of a group needs to execute steps, whichever role it has.
import type { LayerFrame } from '../../infra/messages/layer-frame.ts';
import type { ModelSession } from '../../native/model-session.ts';
import type { ExchangeLink } from '../exchange/exchange-link.ts';
import type { IncomingFrames } from '../exchange/incoming-frames.ts';
import { type GroupView, memberId } from './group-view.ts';
import { StepFailure } from './step-failure.ts';

export interface NodeParts {
  readonly session: ModelSession;
  readonly link: ExchangeLink;
  readonly incoming: IncomingFrames;
}

/** The body of a failure frame: what the leader is to learn of `thrown`. */
export function failureBody(thrown: unknown): Uint8Array {
  const reason = thrown instanceof StepFailure ? thrown.reason : 'member';
  return Buffer.from(JSON.stringify({ reason, message: thrown instanceof Error ? thrown.message : String(thrown) }));
}

/** Throws StepFailure for a failure that a member reports. */
export function refuseFailure(view: GroupView, from: number, frame: LayerFrame): void {
  if (frame.kind !== 'failure') return;
  const id = memberId(view, from);
  const { reason, message } = JSON.parse(new TextDecoder().decode(frame.body));
  if (reason === 'routing') throw new StepFailure('routing', `Node ${id}: ${message}`);
  throw new StepFailure('member', `Node ${id} cannot go on: ${message}`, [id]);
}

/** Throws StepFailure unless the frame is about as much as was asked of the member. */
export function refuseOtherSize(
  view: GroupView,
  from: number,
  frame: LayerFrame,
  expected: { readonly slots: number; readonly rows: number; readonly width: number; readonly dtype: string },
): void {
  const { slots, rows, width, dtype } = expected;
  if (frame.slots === slots && frame.rows === rows && frame.width === width && frame.dtype === dtype) return;
  const id = memberId(view, from);
  throw new StepFailure('member', `Node ${id} sent ${frame.slots} outputs where ${slots} were expected.`, [id]);
}
