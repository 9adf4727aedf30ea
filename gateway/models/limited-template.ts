// A chat template with a time limit, and the decision whose fault it is when a limit is exceeded: the client's, unless the
// shortest conversation exceeds it too.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { ChatInput, ChatTemplate } from '../../infra/tokenizer/chat-template.ts';
import { CALL_FORMATS } from '../answer-formats/formats.ts';
import { type Conversation, plainConversation } from '../conversation/conversation.ts';
import { templateInput } from '../conversation/template-input.ts';
import type { AnswerTraits } from '../parts.ts';
import type { EncoderModel } from './encoder-messages.ts';
import { interruptedAfter } from './interrupt-script.ts';

/** What every template can render. */
export const SHORTEST_CONVERSATION = plainConversation([{ role: 'user', content: 'Hi' }]);

/** A limit of time, of the stack or of the length of a string. */
class LimitExceeded extends Error {}

/**
 * Renders conversations.
 * @throws DomainError `invalid_request` when the template refuses the messages or exceeds a limit with them, `bad_tokenizer`
 * when it exceeds a limit with any
 */
export function limitedTemplate(
  {
    name,
    scriptMs,
    traits,
  }: Pick<EncoderModel, 'name' | 'scriptMs'> & { readonly traits: Pick<AnswerTraits, 'calls'> },
  template: ChatTemplate | null,
): (conversation: Conversation) => string {
  if (template === null) {
    return () => {
      const message = `The model '${name}' has no chat template. Use /v1/completions.`;
      throw new DomainError('invalid_request', message, { param: 'model' });
    };
  }
  let broken: DomainError | undefined;
  const inputOf = (conversation: Conversation) => templateInput(conversation, CALL_FORMATS.get(traits.calls ?? ''));
  return (conversation) => {
    if (broken !== undefined) throw broken;
    try {
      return renderWithin(scriptMs, template, inputOf(conversation));
    } catch (thrown) {
      if (!(thrown instanceof LimitExceeded)) throw thrown;
      if (canRenderAny(scriptMs, template)) throw templateExceeds(thrown.message);
      broken = brokenTemplate(name, thrown.message);
      throw broken;
    }
  };
}

/** The refusal of messages with which the template exceeds a limit. */
export function templateExceeds(limit: string): DomainError {
  const message = `The model's chat template cannot render these messages: ${limit}.`;
  return new DomainError('invalid_request', message, { param: 'messages' });
}

/** The failure of a template that exceeds a limit with every conversation. */
export function brokenTemplate(model: string, limit: string): DomainError {
  return new DomainError(
    'bad_tokenizer',
    `The chat template of the model '${model}' cannot render any conversation: ${limit}. Tell the operator.`,
  );
}

function canRenderAny(ms: number, template: ChatTemplate): boolean {
  try {
    renderWithin(ms, template, templateInput(SHORTEST_CONVERSATION, undefined));
    return true;
  } catch (thrown) {
    return !(thrown instanceof LimitExceeded);
  }
}

function renderWithin(ms: number, template: ChatTemplate, input: ChatInput): string {
  const tooSlow = () => new LimitExceeded(`it takes longer than ${ms / 1000} seconds`);
  try {
    return interruptedAfter(ms, () => template.render(input), tooSlow);
  } catch (thrown) {
    // V8 throws a RangeError for a stack that is too deep and for a string that is too long.
    if (thrown instanceof DomainError && thrown.cause instanceof RangeError) {
      throw new LimitExceeded(thrown.cause.message.toLowerCase());
    }
    throw thrown;
  }
}
