// Token stream entries -> answer events: what every API translates into its own objects. In: entries in order, from the first one.
// Out: events of each entry. The same entries always give the same events, ids of calls included, so a stream can be resumed at
// any gateway.
import { createHash } from 'node:crypto';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { AnswerReading } from '../../infra/messages/answer-reading.ts';
import type { PlacedLogprob, TerminalEvent, TokenEvent, TokensEvent, Usage } from '../../infra/messages/token-event.ts';
import { type AnswerPart, AnswerReader } from '../answer-formats/read-answer.ts';
import { isErrorCode } from '../errors/error-to-http.ts';
import { ShownLogprobs } from './shown-logprobs.ts';

/** Why a choice ended; `tool_calls`: the model waits for the results of its calls. */
export type AnswerFinish = 'stop' | 'length' | 'tool_calls';

export interface AnswerUsage extends Usage {
  /** Of the completion tokens, those of the reasoning. */
  readonly reasoningTokens: number;
}

/** What happens to a choice. */
export type ChoiceEvent =
  | { readonly type: 'start' }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  /** A call begins. `call` numbers the calls of a choice from 0; `id` is unique. */
  | { readonly type: 'call'; readonly call: number; readonly id: string; readonly name: string }
  /** The JSON text of its arguments goes on. */
  | { readonly type: 'arguments'; readonly call: number; readonly text: string }
  | { readonly type: 'call_end'; readonly call: number }
  /** Log-probabilities of tokens whose text, of any kind, was shown. */
  | { readonly type: 'logprobs'; readonly logprobs: readonly PlacedLogprob[] }
  | { readonly type: 'finish'; readonly reason: AnswerFinish };

export type AnswerEvent =
  | (ChoiceEvent & { readonly choice: number })
  /** The last event. `error`: why there is no whole answer. */
  | { readonly type: 'end'; readonly error: DomainError | undefined; readonly usage: AnswerUsage };

/** A translator of the entries of one stream. `reading`: null if all text is content. */
export function createAnswerEvents(
  id: string,
  reading: AnswerReading | null,
): (event: TokenEvent) => readonly AnswerEvent[] {
  const choices = new Map<number, ChoiceReader>();
  return (event) => {
    if (event.type === 'end') return [endEvent(event, choices.values())];
    let choice = choices.get(event.choice);
    if (choice === undefined) {
      choice = new ChoiceReader(id, event.choice, reading);
      choices.set(event.choice, choice);
    }
    return choice.take(event);
  };
}

function endEvent(event: TerminalEvent, choices: Iterable<ChoiceReader>): AnswerEvent {
  const reasoningTokens = [...choices].reduce((sum, each) => sum + each.reasoningTokens, 0);
  return { type: 'end', error: terminalError(event), usage: { ...event.usage, reasoningTokens } };
}

/** The error of a terminal entry; undefined if the generation finished. */
export function terminalError(event: TerminalEvent): DomainError | undefined {
  if (event.outcome === 'finished') return undefined;
  if (event.outcome === 'cancelled') return new DomainError('cancelled', 'The request was cancelled.');
  const { code, message } = event.error ?? { code: '', message: 'Generation failed.' };
  return new DomainError(isErrorCode(code) ? code : 'generation_failed', message);
}

class ChoiceReader {
  readonly #id: string;
  readonly #choice: number;
  readonly #reader: AnswerReader | null;
  readonly #shown = new ShownLogprobs();
  #started = false;
  reasoningTokens = 0;

  constructor(id: string, choice: number, reading: AnswerReading | null) {
    this.#id = id;
    this.#choice = choice;
    this.#reader = reading === null ? null : new AnswerReader(reading);
  }

  take(event: TokensEvent): readonly AnswerEvent[] {
    const events: ChoiceEvent[] = this.#started ? [] : [{ type: 'start' }];
    this.#started = true;
    for (const part of this.#read(event)) events.push(this.#eventOf(part));
    if (event.logprobs !== null) events.push({ type: 'logprobs', logprobs: this.#shown.take(event) });
    if (event.finish !== null) events.push({ type: 'finish', reason: this.#finishOf(event.finish) });
    return events.map((each) => ({ ...each, choice: this.#choice }));
  }

  #read({ text, ids, finish }: TokensEvent): readonly AnswerPart[] {
    if (this.#reader === null) return text === '' ? [] : [{ type: 'text', text }];
    const parts = this.#reader.push(text);
    if (this.#reader.isReasoning) this.reasoningTokens += ids.length;
    return finish === null ? parts : [...parts, ...this.#reader.finish()];
  }

  #eventOf(part: AnswerPart): ChoiceEvent {
    return part.type === 'call' ? { ...part, id: callId(this.#id, this.#choice, part.call) } : part;
  }

  #finishOf(reason: 'stop' | 'length'): AnswerFinish {
    return reason === 'stop' && (this.#reader?.calls ?? 0) > 0 ? 'tool_calls' : reason;
  }
}

/** Derived, so that a gateway at which the stream is resumed gives the same. */
function callId(id: string, choice: number, call: number): string {
  return `call_${createHash('sha256').update(`${id}/${choice}/${call}`).digest('hex').slice(0, 24)}`;
}
