// Token stream entries -> the one JSON answer of a request that does not stream.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type {
  FinishReason,
  PlacedLogprob,
  TerminalEvent,
  TokensEvent,
  Usage,
} from '../../infra/messages/token-event.ts';
import { isErrorCode } from '../errors/error-to-http.ts';
import { type AnswerView, usageObject } from './answer-view.ts';
import type { StreamEntry } from './follow-streams.ts';
import { chatLogprobs, textLogprobs } from './render-logprobs.ts';
import { ShownLogprobs } from './shown-logprobs.ts';

interface CollectedChoice {
  text: string;
  logprobs: PlacedLogprob[] | null;
  finish: FinishReason | null;
}

/**
 * Reads a stream to its end and builds the answer.
 * @throws DomainError of the terminal entry when generation failed or was cancelled; `internal` when it stops without one.
 */
export async function collectAnswer(entries: AsyncIterable<StreamEntry>, view: AnswerView): Promise<object> {
  const choices = new Map<number, CollectedChoice>();
  for await (const { event } of entries) {
    if (event.type === 'tokens') addTokens(choices, event);
    else return finishedAnswer(choices, event, view);
  }
  throw new DomainError('internal', 'The token stream ended without a terminal entry.');
}

/** The error of a terminal entry; undefined if the generation finished. */
export function terminalError(event: TerminalEvent): DomainError | undefined {
  if (event.outcome === 'finished') return undefined;
  if (event.outcome === 'cancelled') return new DomainError('cancelled', 'The request was cancelled.');
  const { code, message } = event.error ?? { code: '', message: 'Generation failed.' };
  return new DomainError(isErrorCode(code) ? code : 'generation_failed', message);
}

function addTokens(choices: Map<number, CollectedChoice>, event: TokensEvent): void {
  const choice = choices.get(event.choice) ?? { text: '', logprobs: null, finish: null };
  choices.set(event.choice, choice);
  choice.text += event.text;
  choice.finish = event.finish;
  if (event.logprobs === null) return;
  choice.logprobs ??= [];
  choice.logprobs.push(...event.logprobs);
}

function finishedAnswer(choices: ReadonlyMap<number, CollectedChoice>, event: TerminalEvent, view: AnswerView): object {
  const error = terminalError(event);
  if (error !== undefined) throw error;
  const ordered = [...choices].sort(([left], [right]) => left - right);
  const render = view.kind === 'chat' ? chatChoice : textChoice;
  return answerObject(
    view,
    ordered.map(([index, choice]) => render(index, choice, view)),
    event.usage,
  );
}

function answerObject(view: AnswerView, choices: object[], usage: Usage): object {
  return {
    id: view.id,
    object: view.kind === 'chat' ? 'chat.completion' : 'text_completion',
    created: view.created,
    model: view.model,
    system_fingerprint: null,
    choices,
    usage: usageObject(usage),
  };
}

function chatChoice(index: number, { text, logprobs, finish }: CollectedChoice, view: AnswerView): object {
  const shown = logprobs && new ShownLogprobs().take({ text, logprobs });
  const shape = shown && chatLogprobs(shown, view.tokenBytes);
  const message = { role: 'assistant', content: text, refusal: null };
  return { index, message, logprobs: shape, finish_reason: finish };
}

function textChoice(index: number, { text, logprobs, finish }: CollectedChoice, view: AnswerView): object {
  const shape = logprobs === null ? null : textLogprobs(logprobs, view.tokenBytes);
  return { text, index, logprobs: shape, finish_reason: finish };
}
