// A request of another API, translated to a conversation -> a generation ready for the queue. Errors name the API's own fields.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Caller } from '../auth/principal.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { type Conversation, type PreparedGeneration, prepareConversation } from '../request/prepare-generation.ts';

export interface Translated extends Conversation {
  /** What a field of a chat completion is called in the API. */
  readonly fieldOf: (field: string) => string;
}

/** @throws DomainError as prepareConversation does, renamed. */
export async function prepareTranslated(
  parts: GatewayParts,
  c: GatewayContext,
  caller: Caller,
  { fieldOf, ...conversation }: Translated,
): Promise<PreparedGeneration> {
  try {
    return await prepareConversation(parts, c, caller, conversation);
  } catch (thrown) {
    throw renamed(thrown, fieldOf);
  }
}

function renamed(thrown: unknown, fieldOf: (field: string) => string): unknown {
  if (!(thrown instanceof DomainError) || thrown.param === undefined) return thrown;
  const { code, param, message, retryAfterSeconds, cause } = thrown;
  const own = fieldOf(param);
  if (own === param) return thrown;
  return new DomainError(code, message.replaceAll(`'${param}'`, `'${own}'`), {
    param: own,
    cause,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}
