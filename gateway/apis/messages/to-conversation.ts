// Anthropic's body -> the body of a chat completion, and back from its field names. Pure.
import { DomainError } from '../../../infra/errors/domain-error.ts';
import type { CountTokensBody, MessagesBody } from './messages-schema.ts';

type Message = CountTokensBody['messages'][number];
type Block = Exclude<Message['content'], string>[number];

/** The fields of a chat completion. @throws DomainError `invalid_request` if the last message is of the assistant. */
export function toConversation(body: CountTokensBody & Partial<MessagesBody>): object {
  if (body.messages.at(-1)?.role === 'assistant') throw prefill();
  const format = body.output_config?.format ?? body.output_format;
  return {
    model: body.model,
    messages: [...systemMessages(body), ...joinNeighbours(body.messages).flatMap(toChatMessages)],
    max_tokens: body.max_tokens,
    ...optional('stop', body.stop_sequences),
    ...optional('stream', body.stream),
    ...optional('temperature', body.temperature),
    ...optional('top_p', body.top_p),
    ...optional('top_k', body.top_k),
    ...optional('user', body.metadata?.user_id),
    ...optional('tools', body.tools?.map(toTool)),
    ...toolChoice(body.tool_choice),
    ...(format && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: format.schema, strict: true } },
    }),
    ...reasoning(body),
  };
}

function optional(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}

function prefill(): DomainError {
  const message =
    "Invalid 'messages': the last message must not be of the role assistant. An answer cannot be begun by the client.";
  return new DomainError('invalid_request', message, { param: 'messages' });
}

function systemMessages({ system }: CountTokensBody): readonly object[] {
  const content = typeof system === 'string' ? system : (system ?? []).map(({ text }) => text).join('\n\n');
  return content === '' ? [] : [{ role: 'system', content }];
}

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly blocks: readonly Block[];
}

/** Chat templates want roles to alternate. */
function joinNeighbours(messages: readonly Message[]): readonly Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const { content } = message;
    const given: readonly Block[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const blocks = message.role === 'system' ? given.map(asSystemText) : given;
    const last = turns.at(-1);
    if (last?.role === role) turns[turns.length - 1] = { role, blocks: [...last.blocks, ...blocks] };
    else turns.push({ role, blocks });
  }
  return turns;
}

/** Chat templates know a system message at the start only: what stands in the list is marked text of the user's turn. */
function asSystemText(block: Block): Block {
  return block.type === 'text' ? { type: 'text', text: `<system>\n${block.text}\n</system>` } : block;
}

function toChatMessages({ role, blocks }: Turn): readonly object[] {
  return role === 'assistant' ? [assistantMessage(blocks)] : userMessages(blocks);
}

function textOf(blocks: readonly Block[], separator: string): string {
  return blocks.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join(separator);
}

/** Redacted thinking cannot be read, so the model does not see it. */
function assistantMessage(blocks: readonly Block[]): object {
  const calls = blocks.flatMap((block) => (block.type === 'tool_use' ? [toCall(block)] : []));
  const thoughts = blocks.flatMap((block) => (block.type === 'thinking' ? [block.thinking] : [])).join('');
  return {
    role: 'assistant',
    content: textOf(blocks, ''),
    ...(thoughts !== '' && { reasoning_content: thoughts }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function toCall({ id, name, input }: Extract<Block, { type: 'tool_use' }>): object {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input) } };
}

/** Results first: they answer the calls of the message before. */
function userMessages(blocks: readonly Block[]): readonly object[] {
  const results = blocks.flatMap((block) => (block.type === 'tool_result' ? [toResult(block)] : []));
  const text = textOf(blocks, '\n\n');
  return text === '' && results.length > 0 ? results : [...results, { role: 'user', content: text }];
}

function toResult({
  tool_use_id: id,
  content = '',
  is_error: failed,
}: Extract<Block, { type: 'tool_result' }>): object {
  const text = typeof content === 'string' ? content : content.map((part) => part.text).join('\n');
  return { role: 'tool', tool_call_id: id, content: failed === true ? `Error: ${text}` : text };
}

function toTool(tool: NonNullable<CountTokensBody['tools']>[number]): object {
  const { name, description, input_schema: parameters, strict } = tool;
  return {
    type: 'function',
    function: { name, parameters, ...optional('description', description), ...optional('strict', strict) },
  };
}

const CHOICES = { auto: 'auto', any: 'required', none: 'none' } as const;

function toolChoice(choice: CountTokensBody['tool_choice']): object {
  if (choice === undefined) return {};
  const named = choice.type === 'tool' ? { type: 'function', function: { name: choice.name } } : CHOICES[choice.type];
  const single = choice.type !== 'none' && choice.disable_parallel_tool_use === true;
  return { tool_choice: named, ...(single && { parallel_tool_calls: false }) };
}

/** Without `thinking` the model decides by itself. */
function reasoning({ thinking, output_config: config }: CountTokensBody): object {
  if (thinking?.type === 'disabled') return { reasoning_effort: 'none' };
  return optional('reasoning_effort', config?.effort);
}

/** Names of chat completions that are others here. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^messages\b.*/, 'messages'],
  [/^max_completion_tokens$/, 'max_tokens'],
  [/^stop\b/, 'stop_sequences'],
  [/^user$/, 'metadata.user_id'],
  [/^(tools\[\d+\])\.function\.parameters/, '$1.input_schema'],
  [/^(tools\[\d+\])\.function/, '$1'],
  [/^tool_choice\.function/, 'tool_choice'],
  [/^response_format\.json_schema/, 'output_config.format'],
  [/^response_format/, 'output_config.format'],
  [/^reasoning_effort$/, 'output_config.effort'],
];

/** What a field of the chat completion is called here. */
export function messagesFieldOf(field: string): string {
  const rule = NAMES.find(([pattern]) => pattern.test(field));
  return rule === undefined ? field : field.replace(rule[0], rule[1]);
}
