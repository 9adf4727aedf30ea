// Ollama's bodies -> the body of a chat completion, and back from its field names. Pure.
import type { OllamaChatBody, OllamaGenerateBody } from './ollama-schema.ts';

type Shared = Pick<OllamaGenerateBody, 'model' | 'format' | 'options' | 'think'>;

/** The fields of a chat completion for /api/chat. */
export function chatConversation(body: OllamaChatBody): object {
  return {
    ...sharedFields(body),
    messages: toMessages(body.messages ?? []),
    ...optional(
      'tools',
      body.tools?.map((tool) => ({ type: 'function', function: tool.function })),
    ),
  };
}

/** The same for /api/generate. */
export function generateConversation(body: OllamaGenerateBody): object {
  const system = body.system === undefined || body.system === '' ? [] : [{ role: 'system', content: body.system }];
  return { ...sharedFields(body), messages: [...system, { role: 'user', content: body.prompt ?? '' }] };
}

/** Ollama's names have a tag, which models here do not. */
export function modelName(name: string): string {
  return name.replace(/:latest$/, '');
}

function optional(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}

function sharedFields({ model, format, options = {}, think }: Shared): object {
  const { num_predict: limit = -1, repeat_penalty: repetition, ...sampling } = options;
  return {
    model: modelName(model),
    ...sampling,
    ...(limit > 0 && { max_tokens: limit }),
    ...optional('repetition_penalty', repetition),
    ...optional('response_format', responseFormat(format)),
    ...thinking(think),
  };
}

function responseFormat(format: Shared['format']): object | undefined {
  if (format === undefined || format === '') return undefined;
  if (format === 'json') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', schema: format, strict: true } };
}

function thinking(think: Shared['think']): object {
  if (think === undefined) return {};
  if (think === false) return { reasoning_effort: 'none' };
  return think === true ? { chat_template_kwargs: { enable_thinking: true } } : { reasoning_effort: think };
}

type Message = NonNullable<OllamaChatBody['messages']>[number];

interface OpenCall {
  readonly id: string;
  readonly name: string;
}

/** Calls have no ids here: a result belongs to the first call of its tool that has none yet. */
function toMessages(messages: readonly Message[]): readonly object[] {
  const open: OpenCall[] = [];
  let count = 0;
  return messages.map((message) => {
    if (message.role === 'tool') return toResult(message, takeCall(open, message));
    const calls = (message.tool_calls ?? []).map(({ id, function: called }) => {
      const call = { id: id ?? `call_${count}`, name: called.name };
      count += 1;
      open.push(call);
      return { ...call, arguments: JSON.stringify(called.arguments ?? {}) };
    });
    return toMessage(message, calls);
  });
}

function takeCall(open: OpenCall[], { tool_name: name, tool_call_id: id }: Message): string {
  const at = open.findIndex((call) => (id === undefined ? name === undefined || call.name === name : call.id === id));
  const [call] = at < 0 ? [] : open.splice(at, 1);
  return call?.id ?? id ?? 'call_unknown';
}

function toResult({ content = '' }: Message, id: string): object {
  return { role: 'tool', tool_call_id: id, content };
}

interface Call extends OpenCall {
  readonly arguments: string;
}

function toMessage({ role, content = '', thinking: thoughts }: Message, calls: readonly Call[]): object {
  const toCall = ({ id, ...called }: Call) => ({ id, type: 'function', function: called });
  const reasoning = role === 'assistant' && thoughts !== undefined && thoughts !== '';
  return {
    role,
    content,
    ...(reasoning && { reasoning_content: thoughts }),
    ...(calls.length > 0 && { tool_calls: calls.map(toCall) }),
  };
}

/** Names of chat completions that are others here. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^max_(completion_)?tokens$/, 'options.num_predict'],
  [/^repetition_penalty$/, 'options.repeat_penalty'],
  [/^(stop|temperature|top_k|top_p|min_p|seed|presence_penalty|frequency_penalty)\b/, 'options.$1'],
  [/^response_format\b.*?(?=\.schema|$)/, 'format'],
  [/^(reasoning_effort|chat_template_kwargs)\b.*/, 'think'],
];

/** What a field of the chat completion is called here. */
export function ollamaFieldOf(field: string): string {
  const rule = NAMES.find(([pattern]) => pattern.test(field));
  return rule === undefined ? field : field.replace(rule[0], rule[1]);
}
