// Puts guards into everything of a conversation that comes from a client, so that it cannot spell control tokens. In:
// messages and tools. Out: the same values for a chat template, multi-part text joined.
import { controlTokens } from './control-tokens.ts';
import { createGuard, type GuardText } from './guard-text.ts';
import type { AddedToken } from './tokenizer.ts';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A message of the OpenAI API; fields other than role and content reach the template unchanged. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly TextPart[] | null;
  readonly [field: string]: unknown;
}

export interface ChatGuard {
  readonly message: (message: ChatMessage) => Record<string, unknown>;
  /** Guards every string and every key inside a value, such as a list of tools. */
  readonly value: (value: unknown) => unknown;
}

/**
 * Makes the guard for the templates of a model. What assistants said may hold the reasoning markers that templates look for,
 * so there only tokens declared special are guarded.
 */
export function createChatGuard(added: readonly AddedToken[], templates: Iterable<string>): ChatGuard {
  const assistant = createGuard(controlTokens(added, []));
  const others = createGuard(controlTokens(added, templates));
  return {
    message: (message) => guardMessage(message, message.role === 'assistant' ? assistant : others),
    value: (value) => guardDeep(value, others),
  };
}

// The role is one of a few words that templates compare; the gateway admits no others.
function guardMessage(message: ChatMessage, guard: GuardText): Record<string, unknown> {
  const { role, content, ...fields } = message;
  const text = typeof content === 'object' && content !== null ? joinParts(content) : content;
  return { role, ...guardFields(text === undefined ? fields : { content: text, ...fields }, guard) };
}

// Templates of text models handle only strings.
function joinParts(parts: readonly TextPart[]): string {
  return parts.map((part) => part.text).join('\n');
}

function guardDeep(value: unknown, guard: GuardText): unknown {
  if (typeof value === 'string') return guard(value);
  if (Array.isArray(value)) return value.map((entry) => guardDeep(entry, guard));
  return typeof value === 'object' && value !== null ? guardFields(value, guard) : value;
}

function guardFields(fields: object, guard: GuardText): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [guard(name), guardDeep(value, guard)]));
}
