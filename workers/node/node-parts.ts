// What a member of a group needs to execute steps, whichever role it has.
import type { ModelSession } from '../../native/model-session.ts';
import type { EpochSignal } from '../exchange/epoch-signal.ts';
import type { ExchangeLink } from '../exchange/exchange-link.ts';
import type { ExchangeRoutes } from '../exchange/exchange-routes.ts';
import { type GroupView, memberId } from './group-view.ts';
import { StepFailure } from './step-failure.ts';

export interface NodeParts {
  readonly session: ModelSession;
  readonly link: ExchangeLink;
  readonly epochs: EpochSignal;
  readonly routes: ExchangeRoutes;
}

/** A failure's text, `<reason>:<text>`: what the leader is to learn of `thrown`. */
export function failureText(thrown: unknown): string {
  const reason = thrown instanceof StepFailure ? thrown.reason : 'member';
  return `${reason}:${thrown instanceof Error ? thrown.message : String(thrown)}`;
}

/** What a member reports in a failure of that text. Routing and the exchange are the fault of no member in particular. */
export function failureOf(view: GroupView, from: number, text: string): StepFailure {
  const id = memberId(view, from);
  const separator = text.indexOf(':');
  const message = text.slice(separator + 1);
  const reason = text.slice(0, separator);
  if (reason === 'routing' || reason === 'exchange') return new StepFailure(reason, `Node ${id}: ${message}`);
  return new StepFailure('member', `Node ${id} cannot go on: ${message}`, [id]);
}
