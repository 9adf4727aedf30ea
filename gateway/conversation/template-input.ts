// A conversation -> what chat templates expect: OpenAI's messages and tools. Pure. Values that are absent are left out, because a
// template would take them for defined.
import type { ChatInput } from '../../infra/tokenizer/chat-template.ts';
import type { ChatMessage, Conversation, ToolCall, ToolDefinition } from './conversation.ts';

/** `argumentsAs`: in which form the template expects the arguments of earlier calls. */
export function templateInput(conversation: Conversation, argumentsAs: 'object' | 'text'): ChatInput {
  const { messages, tools, ending, variables } = conversation;
  return {
    messages: messages.map((message) => templateMessage(message, argumentsAs)),
    tools: tools.length === 0 ? null : tools.map(templateTool),
    addGenerationPrompt: ending === 'answer',
    continuesLast: ending === 'open_message',
    variables,
  };
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
