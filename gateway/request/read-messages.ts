// The messages of a body -> messages of a conversation: calls and their results are bound to each other, the older `function_call` and
// role `function` take the form of calls. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { ChatMessage, MessageContent, ToolCall } from '../conversation/conversation.ts';
import type { ChatCompletionBody } from './chat-completion-schema.ts';

type BodyMessage = ChatCompletionBody['messages'][number];

/** @throws DomainError `invalid_request` for a result of a call that was not made, and for an id that two calls or results have. */
export function readMessages(messages: readonly BodyMessage[]): readonly ChatMessage[] {
  const reader = new MessageReader();
  return messages.map((message, at) => reader.read(message, `messages[${at}]`));
}

class MessageReader {
  /** Calls of the last assistant's message that have no result yet, by id. */
  #open = new Map<string, ToolCall>();
  #legacyCalls = 0;

  read(message: BodyMessage, path: string): ChatMessage {
    const { role, name } = message;
    if (role === 'assistant') return this.#assistant(message, path);
    if (role === 'tool') return this.#result(message, path);
    if (role === 'function') return this.#legacyResult(message, path);
    // `developer` is the newer name of the system role; chat templates use the older one.
    return {
      role: role === 'user' ? 'user' : 'system',
      content: contentOf(message),
      ...(name !== undefined && { name }),
    };
  }

  #assistant(message: BodyMessage, path: string): ChatMessage {
    const toolCalls = this.#callsOf(message);
    this.#open = new Map();
    for (const [at, call] of toolCalls.entries()) {
      if (this.#open.has(call.id)) {
        throw invalid(`${path}.tool_calls[${at}].id`, `expected ids that differ, but '${call.id}' is there twice`);
      }
      this.#open.set(call.id, call);
    }
    const { name, reasoning_content: reasoningContent, reasoning = reasoningContent } = message;
    return {
      role: 'assistant',
      content: contentOf(message),
      ...(name !== undefined && { name }),
      ...(reasoning !== undefined && { reasoning }),
      ...(toolCalls.length > 0 && { toolCalls }),
    };
  }

  #callsOf({ tool_calls: calls, function_call: legacy }: BodyMessage): readonly ToolCall[] {
    if (legacy === undefined) return (calls ?? []).map((call) => ({ id: call.id, ...call.function }));
    this.#legacyCalls += 1;
    return [{ id: `call_${this.#legacyCalls}`, ...legacy }];
  }

  #result(message: BodyMessage, path: string): ChatMessage {
    const { tool_call_id: id } = message;
    if (id === undefined) throw invalid(`${path}.tool_call_id`, 'expected the id of a call');
    const call = this.#open.get(id);
    if (call === undefined) {
      const what = `expected the id of a call in the assistant's message before, each with one result, but received '${id}'`;
      throw invalid(`${path}.tool_call_id`, what);
    }
    this.#open.delete(id);
    return { role: 'tool', content: contentOf(message), toolCallId: id, name: call.name };
  }

  #legacyResult(message: BodyMessage, path: string): ChatMessage {
    const call = [...this.#open.values()].find(({ name }) => name === message.name);
    if (call === undefined) throw invalid(`${path}.name`, "expected the function of the assistant's message before");
    this.#open.delete(call.id);
    return { role: 'tool', content: contentOf(message), toolCallId: call.id, name: call.name };
  }
}

/** Templates join texts; one that meets a null or an empty list would print it or fail. */
function contentOf({ content }: BodyMessage): MessageContent {
  return content === undefined || content.length === 0 ? '' : content;
}

function invalid(param: string, what: string): DomainError {
  return new DomainError('invalid_request', `Invalid '${param}': ${what}.`, { param });
}
