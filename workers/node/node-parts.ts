// What a member of a group needs to execute steps, whichever role it has.
import type { LayerFrame } from '../../infra/messages/layer-frame.ts';
import type { ModelSession } from '../../native/model-session.ts';
import type { ExchangeLink } from '../exchange/exchange-link.ts';
import type { ExchangeRoutes } from '../exchange/exchange-routes.ts';
import type { IncomingFrames } from '../exchange/incoming-frames.ts';
import { type GroupView, memberId } from './group-view.ts';
import { StepFailure } from './step-failure.ts';

export interface NodeParts {
  readonly session: ModelSession;
  readonly link: ExchangeLink;
  readonly incoming: IncomingFrames;
  readonly routes: ExchangeRoutes;
}

/** The body of a failure frame, `<reason>:<text>`: what the leader is to learn of `thrown`. */
export function failureBody(thrown: unknown): Uint8Array {
  const reason = thrown instanceof StepFailure ? thrown.reason : 'member';
  return Buffer.from(`${reason}:${thrown instanceof Error ? thrown.message : String(thrown)}`);
}

/** What a member reports in a failure frame of that body. Failures of routing and exchange are not attributed to a member. */
export function failureOf(view: GroupView, from: number, body: Uint8Array): StepFailure {
  const id = memberId(view, from);
  const text = new TextDecoder().decode(body);
  const separator = text.indexOf(':');
  const message = text.slice(separator + 1);
  const reason = text.slice(0, separator);
  if (reason === 'routing' || reason === 'exchange') return new StepFailure(reason, `Node ${id}: ${message}`);
  return new StepFailure('member', `Node ${id} cannot go on: ${message}`, [id]);
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
