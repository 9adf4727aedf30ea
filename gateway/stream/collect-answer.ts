// Token stream entries -> the one JSON answer of a request that does not stream.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { FinishReason, PlacedLogprob, TokensEvent } from '../../infra/messages/token-event.ts';
import type { ToolCall } from '../conversation/conversation.ts';
import { type AnswerFinish, type AnswerUsage, type ChoiceEvent, createAnswerEvents } from './answer-events.ts';
import { type AnswerView, usageObject } from './answer-view.ts';
import { finishReasonOf } from './chat-delta.ts';
import type { StreamEntry } from './follow-streams.ts';
import { chatLogprobs, textLogprobs } from './render-logprobs.ts';

/** A choice of a chat, whole. */
export interface CollectedChoice {
  text: string;
  reasoning: string;
  calls: ToolCall[];
  logprobs: PlacedLogprob[] | null;
  finish: AnswerFinish | null;
}

interface CollectedAnswer<Choice> {
  /** In order. */
  readonly choices: readonly (readonly [index: number, choice: Choice])[];
  readonly usage: AnswerUsage;
}

/**
 * Reads a stream to its end and builds the answer.
 * @throws DomainError of the terminal entry when generation failed or was cancelled; `internal` when it stops without one.
 */
export async function collectAnswer(entries: AsyncIterable<StreamEntry>, view: AnswerView): Promise<object> {
  if (view.kind === 'chat') {
    const { choices, usage } = await collectChat(entries, view);
    const rendered = choices.map(([index, choice]) => chatChoice(index, choice, view));
    return answerObject(view, 'chat.completion', rendered, usage);
  }
  const { choices, usage } = await collect(entries, view, newText, addTokens);
  const rendered = choices.map(([index, choice]) => textChoice(index, choice, view));
  return answerObject(view, 'text_completion', rendered, usage);
}

/** Reads the stream of a chat to its end. @throws what `collectAnswer` does */
export function collectChat(
  entries: AsyncIterable<StreamEntry>,
  view: Pick<AnswerView, 'id' | 'reading'>,
): Promise<CollectedAnswer<CollectedChoice>> {
  return collect(entries, view, newChoice, (choice, _entry, events) => addEvents(choice, events));
}

async function collect<Choice>(
  entries: AsyncIterable<StreamEntry>,
  { id, reading }: Pick<AnswerView, 'id' | 'reading'>,
  create: () => Choice,
  add: (choice: Choice, entry: TokensEvent, events: readonly ChoiceEvent[]) => void,
): Promise<CollectedAnswer<Choice>> {
  const read = createAnswerEvents(id, reading);
  const choices = new Map<number, Choice>();
  for await (const { event } of entries) {
    const events = read(event);
    const last = events.at(-1);
    if (last?.type === 'end') {
      if (last.error !== undefined) throw last.error;
      return { choices: [...choices].sort(([left], [right]) => left - right), usage: last.usage };
    }
    const entry = event as TokensEvent;
    const choice = choices.get(entry.choice) ?? create();
    choices.set(entry.choice, choice);
    add(choice, entry, events as readonly ChoiceEvent[]);
  }
  throw new DomainError('internal', 'The token stream ended without a terminal entry.');
}

function newChoice(): CollectedChoice {
  return { text: '', reasoning: '', calls: [], logprobs: null, finish: null };
}

function addEvents(choice: CollectedChoice, events: readonly ChoiceEvent[]): void {
  for (const event of events) {
    if (event.type === 'text') choice.text += event.text;
    else if (event.type === 'reasoning') choice.reasoning += event.text;
    else if (event.type === 'call') choice.calls[event.call] = { id: event.id, name: event.name, arguments: '' };
    else if (event.type === 'arguments') addArguments(choice.calls, event.call, event.text);
    else if (event.type === 'logprobs') choice.logprobs = appended(choice.logprobs, event.logprobs);
    else if (event.type === 'finish') choice.finish = event.reason;
  }
}

function appended(list: PlacedLogprob[] | null, more: readonly PlacedLogprob[]): PlacedLogprob[] {
  const all = list ?? [];
  all.push(...more);
  return all;
}

function addArguments(calls: ToolCall[], index: number, text: string): void {
  const call = calls[index];
  if (call !== undefined) calls[index] = { ...call, arguments: call.arguments + text };
}

interface CollectedText {
  text: string;
  logprobs: PlacedLogprob[] | null;
  finish: FinishReason | null;
}

function newText(): CollectedText {
  return { text: '', logprobs: null, finish: null };
}

function addTokens(choice: CollectedText, { text, logprobs, finish }: TokensEvent): void {
  choice.text += text;
  choice.finish = finish;
  if (logprobs !== null) choice.logprobs = appended(choice.logprobs, logprobs);
}

function answerObject(view: AnswerView, object: string, choices: readonly object[], usage: AnswerUsage): object {
  const { id, created, model, fingerprint } = view;
  return { id, object, created, model, system_fingerprint: fingerprint, choices, usage: usageObject(usage) };
}

function chatChoice(index: number, choice: CollectedChoice, { tokenBytes, reading }: AnswerView): object {
  const { text, reasoning, calls, logprobs, finish } = choice;
  const legacy = reading?.legacyFunctions === true;
  const message = {
    role: 'assistant',
    content: calls.length > 0 && text === '' ? null : text,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    refusal: null,
    ...(calls.length > 0 && (legacy ? { function_call: functionOf(calls[0]) } : { tool_calls: calls.map(toolCall) })),
  };
  const shape = logprobs && chatLogprobs(logprobs, tokenBytes);
  return { index, message, logprobs: shape, finish_reason: finishReasonOf(finish, legacy) };
}

function toolCall(call: ToolCall): object {
  return { id: call.id, type: 'function', function: functionOf(call) };
}

function functionOf(call: ToolCall | undefined): object {
  return { name: call?.name, arguments: call?.arguments };
}

function textChoice(index: number, { text, logprobs, finish }: CollectedText, { tokenBytes }: AnswerView): object {
  const shape = logprobs === null ? null : textLogprobs(logprobs, tokenBytes);
  return { text, index, logprobs: shape, finish_reason: finish };
}
