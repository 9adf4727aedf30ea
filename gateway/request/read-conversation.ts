// The body of a chat completion -> the conversation that the model's template renders, and how its answer is read. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { AnswerReading } from '../../infra/messages/answer-reading.ts';
import { CALL_FORMATS } from '../answer-formats/formats.ts';
import type { Conversation, JsonObject } from '../conversation/conversation.ts';
import { textParametersOf } from '../conversation/text-parameters.ts';
import type { AnswerTraits } from '../parts.ts';
import type { ChatCompletionBody } from './chat-completion-schema.ts';
import { readMessages } from './read-messages.ts';
import { type RequestedTools, readTools } from './read-tools.ts';

export interface ReadConversation {
  readonly conversation: Conversation;
  readonly tools: RequestedTools;
}

/** @throws DomainError `invalid_request` for what contradicts itself, or what the model cannot be given. */
export function readConversation(body: ChatCompletionBody, traits: AnswerTraits): ReadConversation {
  const messages = readMessages(body.messages);
  const tools = readTools(body);
  const rendered = tools.choice.kind === 'none' ? [] : tools.tools;
  if (rendered.length > 0) refuseUnlessCalls(traits, tools.legacyFunctions ? 'functions' : 'tools');
  const conversation = { messages, tools: rendered, ending: endingOf(body), variables: variablesOf(body) };
  return { conversation, tools };
}

/** How the answer is read; null if all of its text is content. */
export function readingOf(
  { choice, tools, legacyFunctions }: RequestedTools,
  traits: AnswerTraits,
  reasoningOpen: boolean,
): AnswerReading | null {
  const format = CALL_FORMATS.get(traits.calls ?? '');
  const calls = choice.kind === 'none' && format?.framesAnswer !== true ? null : traits.calls;
  if (calls === null && traits.reasoning === null) return null;
  const isBare = format?.writesBareText ?? false;
  const textParameters = isBare ? tools.map(({ name, parameters }) => [name, textParametersOf(parameters)]) : [];
  const { reasoning } = traits;
  return { calls, reasoning, reasoningOpen, textParameters: Object.fromEntries(textParameters), legacyFunctions };
}

function refuseUnlessCalls({ calls, takesTools }: AnswerTraits, param: string): void {
  if (calls !== null && takesTools) return;
  const reason = takesTools ? 'how it writes calls is not known' : 'its chat template has no place for them';
  throw new DomainError('unsupported_parameter', `The model cannot be given tools: ${reason}.`, { param });
}

function endingOf(body: ChatCompletionBody): Conversation['ending'] {
  const { continue_final_message: continues, add_generation_prompt: adds } = body;
  if (continues !== true) return adds === false ? 'closed' : 'answer';
  if (adds === true) throw invalid('add_generation_prompt', "it contradicts 'continue_final_message'");
  if (body.messages.at(-1)?.role !== 'assistant') {
    throw invalid('continue_final_message', "expected the last message to be an assistant's");
  }
  return 'open_message';
}

/** Templates know one of two words for "do not think": a switch, or the least effort. */
function variablesOf({ chat_template_kwargs: variables, reasoning_effort: effort }: ChatCompletionBody): JsonObject {
  return {
    ...(effort != null && { reasoning_effort: effort, enable_thinking: effort !== 'none' }),
    ...variables,
  };
}

function invalid(param: string, what: string): DomainError {
  return new DomainError('invalid_request', `Invalid '${param}': ${what}.`, { param });
}
