// Refuses by size: the bytes of a text over those of the longest token bound the number of its tokens from below.
// Pure and cheap, so that it can run before any other work.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Prompt } from './encoder-messages.ts';

export interface ContextSize {
  /** Prompt and completion together, in tokens. */
  readonly maxContext: number;
  /** Bytes of the vocabulary's longest token. */
  readonly longestToken: number;
}

/** Bytes of what is sent to be encoded: the client's text, tools and calls. */
export function sentBytes(prompt: Prompt): number {
  return Buffer.byteLength(prompt.kind === 'text' ? prompt.text : JSON.stringify(prompt.conversation));
}

/** Bytes of the client's text in UTF-8. Not of tools and calls, of which templates render what they like. */
export function promptBytes(prompt: Prompt): number {
  if (prompt.kind === 'text') return Buffer.byteLength(prompt.text);
  const texts = prompt.conversation.messages.flatMap(({ content }) =>
    typeof content === 'string' ? content : content.map(({ text }) => text),
  );
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0);
}

/** @throws DomainError `context_length_exceeded` when `bytes` of text cannot be few enough tokens. */
export function refuseTooManyBytes(
  bytes: number,
  kind: Prompt['kind'],
  { maxContext, longestToken }: ContextSize,
): void {
  const atLeast = Math.ceil(bytes / longestToken);
  if (atLeast >= maxContext) throw tooManyTokens(atLeast, kind, maxContext);
}

/** The refusal of a prompt that has `atLeast` tokens or more. */
export function tooManyTokens(atLeast: number, kind: Prompt['kind'], maxContext: number): DomainError {
  const field = promptField(kind);
  const message =
    `This model's maximum context length is ${maxContext} tokens. However, your ${field} resulted in at least ` +
    `${atLeast} tokens. Please reduce the length of the ${field}.`;
  return new DomainError('context_length_exceeded', message, { param: field });
}

/** The field of a request that the prompt came from. */
export function promptField(kind: Prompt['kind']): 'messages' | 'prompt' {
  return kind === 'chat' ? 'messages' : 'prompt';
}
