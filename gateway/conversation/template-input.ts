// A conversation -> what chat templates expect: OpenAI's messages and tools. Pure. Values that are absent are left out, because a
// template would take them for defined.
import type { ChatInput } from '../../infra/tokenizer/chat-template.ts';
import type { CallFormat } from '../answer-formats/answer-format.ts';
import type { ChatMessage, Conversation, ToolCall, ToolDefinition } from './conversation.ts';

/** `format`: how the model writes calls; undefined if it does not. */
export function templateInput(conversation: Conversation, format: CallFormat | undefined): ChatInput {
  const { messages, tools, ending, variables } = conversation;
  const argumentsAs = format?.argumentsAs ?? 'object';
  return {
    messages: withTemplateIds(messages, format).map((message) => templateMessage(message, argumentsAs)),
    tools: tools.length === 0 ? null : tools.map(templateTool),
    addGenerationPrompt: ending === 'answer',
    continuesLast: ending === 'open_message',
    variables,
  };
}

/** Ids in the form that belongs to the format; a result follows its call. */
function withTemplateIds(messages: readonly ChatMessage[], format: CallFormat | undefined): readonly ChatMessage[] {
  const idOf = format?.templateCallId;
  if (idOf === undefined) return messages;
  const ids = new Map<string, string>();
  let number = 0;
  return messages.map((message) => {
    if (message.role === 'tool') return { ...message, toolCallId: ids.get(message.toolCallId) ?? message.toolCallId };
    if (message.role !== 'assistant' || message.toolCalls === undefined) return message;
    const toolCalls = message.toolCalls.map((call) => {
      ids.set(call.id, idOf(call, number));
      number += 1;
      return { ...call, id: ids.get(call.id) ?? call.id };
    });
    return { ...message, toolCalls };
  });
}

function templateMessage(message: ChatMessage, argumentsAs: 'object' | 'text'): ChatInput['messages'][number] {
  const { role, content, name } = message;
  return {
    role,
    content,
    ...(name !== undefined && { name }),
    ...(message.role === 'tool' && { tool_call_id: message.toolCallId }),
    ...(message.role === 'assistant' && assistantFields(message, argumentsAs)),
  };
}

/** Templates differ in what they call reasoning. */
function assistantFields(
  { reasoning, toolCalls }: Extract<ChatMessage, { role: 'assistant' }>,
  argumentsAs: 'object' | 'text',
) {
  return {
    ...(reasoning !== undefined && { reasoning_content: reasoning, thinking: reasoning }),
    ...(toolCalls !== undefined && { tool_calls: toolCalls.map((call) => templateCall(call, argumentsAs)) }),
  };
}

function templateCall({ id, name, arguments: json }: ToolCall, argumentsAs: 'object' | 'text') {
  const value = argumentsAs === 'text' ? json : parsed(json);
  return { id, type: 'function', function: { name, arguments: value } };
}

/** Arguments that were cut off stay text. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** Many templates go through the properties without a test for their presence. */
function templateTool({ name, description, parameters }: ToolDefinition) {
  const withProperties = 'properties' in parameters ? parameters : { ...parameters, properties: {} };
  return { type: 'function', function: { name, description, parameters: withProperties } };
}
