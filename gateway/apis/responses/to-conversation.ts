// A body and the items before it -> the body of a chat completion, and back from its field names. Pure.
import { type FunctionTool, functionTools, modelName } from './function-tools.ts';
import type { Item } from './response-items.ts';
import type { ResponsesBody } from './responses-schema.ts';

/** The fields of a chat completion. `items`: those of earlier responses, then those of the body. */
export function toConversation(body: ResponsesBody, items: readonly Item[]): object {
  const { instructions } = body;
  return {
    model: body.model,
    messages: [...(instructions ? [{ role: 'system', content: instructions }] : []), ...toMessages(items)],
    ...optional('max_tokens', body.max_output_tokens),
    ...optional('stream', body.stream),
    ...optional('temperature', body.temperature),
    ...optional('top_p', body.top_p),
    ...optional('user', body.user),
    ...optional('tools', body.tools && functionTools(body.tools).map(toTool)),
    ...optional('tool_choice', toolChoice(body.tool_choice)),
    ...optional('parallel_tool_calls', body.tools?.length ? body.parallel_tool_calls : undefined),
    ...optional('response_format', responseFormat(body.text?.format)),
    ...optional('reasoning_effort', body.reasoning?.effort),
  };
}

function optional(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}

interface AssistantMessage {
  readonly role: 'assistant';
  content: string;
  reasoning_content?: string;
  tool_calls?: object[];
}

/** Reasoning, text and calls of one turn are one message of the assistant. */
function toMessages(items: readonly Item[]): readonly object[] {
  const messages: object[] = [];
  let turn: AssistantMessage | null = null;
  const ofAssistant = (): AssistantMessage => {
    if (turn === null) {
      turn = { role: 'assistant', content: '' };
      messages.push(turn);
    }
    return turn;
  };
  for (const item of items) {
    if (item.type === 'reasoning') {
      // What was thought belongs to what follows.
      turn = null;
      const text = item.content.map((part) => part.text).join('');
      if (text !== '') ofAssistant().reasoning_content = text;
    } else if (item.type === 'function_call') {
      const message = ofAssistant();
      message.tool_calls = [...(message.tool_calls ?? []), toCall(item)];
    } else if (item.type === 'message' && item.role === 'assistant') {
      if (ofAssistant().content !== '' || ofAssistant().tool_calls !== undefined) turn = null;
      ofAssistant().content = textOf(item);
    } else {
      turn = null;
      messages.push(toOtherMessage(item));
    }
  }
  return messages;
}

function textOf({ content }: Extract<Item, { type: 'message' }>): string {
  return content.map(({ text }) => text).join('');
}

function toCall(item: Extract<Item, { type: 'function_call' }>): object {
  return { id: item.call_id, type: 'function', function: { name: modelName(item), arguments: item.arguments } };
}

function toOtherMessage(item: Extract<Item, { type: 'message' | 'function_call_output' }>): object {
  if (item.type === 'message') return { role: item.role, content: textOf(item) };
  return { role: 'tool', tool_call_id: item.call_id, content: item.output };
}

function toTool(tool: FunctionTool): object {
  const { name, description, parameters, strict } = tool;
  const options = { ...optional('description', description), ...optional('parameters', parameters) };
  return { type: 'function', function: { name, ...options, ...optional('strict', strict) } };
}

function toolChoice(choice: ResponsesBody['tool_choice']): unknown {
  if (choice === undefined || typeof choice === 'string') return choice;
  const named = (name: string) => ({ type: 'function', function: { name } });
  if (choice.type === 'function') return named(choice.name);
  const tools = choice.tools.map(({ name }) => named(name));
  return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools } };
}

type Format = NonNullable<ResponsesBody['text']>['format'];

function responseFormat(format: Format): unknown {
  if (format?.type !== 'json_schema') return format;
  const { type, ...schema } = format;
  return { type, json_schema: schema };
}

/** Names of chat completions that are others here. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^messages\b.*/, 'input'],
  [/^max_(completion_)?tokens$/, 'max_output_tokens'],
  [/^(tools\[\d+\])\.function/, '$1'],
  [/^tool_choice\.function/, 'tool_choice'],
  [/^response_format\.json_schema/, 'text.format'],
  [/^response_format/, 'text.format'],
  [/^reasoning_effort$/, 'reasoning.effort'],
];

/** What a field of the chat completion is called here. */
export function responsesFieldOf(field: string): string {
  const rule = NAMES.find(([pattern]) => pattern.test(field));
  return rule === undefined ? field : field.replace(rule[0], rule[1]);
}
