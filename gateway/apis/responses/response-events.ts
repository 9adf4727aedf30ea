// Blocks of an answer -> events of the Responses API, numbered from 0. The same entries always give the same events, so a client
// can go on after the last number that it has, at any gateway. In: entries in order, from the first one.
import type { DomainError } from '../../../infra/errors/domain-error.ts';
import type { TokenEvent } from '../../../infra/messages/token-event.ts';
import { publicMessage } from '../../errors/error-to-http.ts';
import type { AnswerView } from '../../stream/answer-view.ts';
import { type AnswerBlock, type BlockEvent, createAnswerBlocks } from '../answer-blocks.ts';
import { clientName } from './function-tools.ts';
import { type Item, type ItemStatus, outputItem, outputText, reasoningText } from './response-items.ts';
import {
  failedEnding,
  finishedEnding,
  type ResponseEnding,
  responseObject,
  type StoredResponse,
} from './stored-response.ts';

export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}

/** One response, event by event. */
export class ResponseEvents {
  readonly #stored: StoredResponse;
  readonly #nowMs: () => number;
  readonly #read: (event: TokenEvent) => readonly BlockEvent[];
  readonly #output: Item[] = [];
  #sequence = 0;
  #isRunning = false;
  #open: Item | null = null;
  /** Set with the last entry. */
  ending: ResponseEnding | null = null;

  constructor(stored: StoredResponse, view: AnswerView, nowMs: () => number) {
    this.#stored = stored;
    this.#nowMs = nowMs;
    this.#read = createAnswerBlocks(view);
  }

  /** To be sent before anything is generated. */
  opening(): readonly ResponseEvent[] {
    const status = this.#stored.background ? 'queued' : 'in_progress';
    return [
      this.#number('response.created', { response: responseObject(this.#stored, status) }),
      ...(this.#stored.background
        ? [this.#number('response.queued', { response: responseObject(this.#stored, status) })]
        : this.#start()),
    ];
  }

  /** The events of an entry, after those of the opening. */
  take(entry: TokenEvent): readonly ResponseEvent[] {
    return [...this.#start(), ...this.#read(entry).flatMap((event) => this.#translate(event))];
  }

  /** Ends a connection that cannot go on. The response may. */
  failure(error: DomainError): ResponseEvent {
    return this.#number('error', { code: error.code, message: publicMessage(error), param: error.param ?? null });
  }

  #start(): readonly ResponseEvent[] {
    if (this.#isRunning) return [];
    this.#isRunning = true;
    return [this.#number('response.in_progress', { response: responseObject(this.#stored, 'in_progress') })];
  }

  #translate(event: BlockEvent): readonly ResponseEvent[] {
    switch (event.type) {
      case 'open':
        return this.#begin(event.block, event.index);
      case 'grow':
        return [this.#delta(event.block, event.index, event.text)];
      case 'close':
        return this.#close(event.block, event.index, event.cut ? 'incomplete' : 'completed');
      case 'failed':
        return [this.#end('response.failed', failedEnding(event.error, this.#partial(), this.#nowMs()))];
      default: {
        const ending = finishedEnding(event.finish, this.#output, event.usage, this.#nowMs());
        return [this.#end(`response.${ending.status}`, ending)];
      }
    }
  }

  /** What there is of an answer that was cut. */
  #partial(): readonly Item[] {
    return this.#open === null ? this.#output : [...this.#output, { ...this.#open, status: 'incomplete' }];
  }

  #item(block: AnswerBlock, index: number, status: ItemStatus): Item {
    const encryptedReasoning = this.#stored.request.include?.includes('reasoning.encrypted_content') === true;
    const { id: responseId, request } = this.#stored;
    const named = (called: string) => clientName(request.tools ?? [], called);
    return outputItem(block, { responseId, index, status, encryptedReasoning, clientName: named });
  }

  #begin(block: AnswerBlock, index: number): readonly ResponseEvent[] {
    const item = this.#item(block, index, 'in_progress');
    this.#open = item;
    const added = this.#number('response.output_item.added', { output_index: index, item });
    if (block.type === 'call') return [added];
    return [added, this.#number('response.content_part.added', { ...partOf(item, index), part: partObject(block) })];
  }

  #delta(block: AnswerBlock, index: number, delta: string): ResponseEvent {
    const item = this.#item(block, index, 'in_progress');
    this.#open = item;
    if (block.type === 'call') {
      return this.#number('response.function_call_arguments.delta', { item_id: item.id, output_index: index, delta });
    }
    const isText = block.type === 'text';
    const fields = { ...partOf(item, index), delta, ...(isText && { logprobs: [] }) };
    return this.#number(isText ? 'response.output_text.delta' : 'response.reasoning_text.delta', fields);
  }

  #close(block: AnswerBlock, index: number, status: ItemStatus): readonly ResponseEvent[] {
    const item = this.#item(block, index, status);
    this.#open = null;
    this.#output.push(item);
    const done = () => this.#number('response.output_item.done', { output_index: index, item });
    if (block.type === 'call') {
      const { name } = clientName(this.#stored.request.tools ?? [], block.name);
      const fields = { item_id: item.id, output_index: index, name, arguments: block.text };
      return [this.#number('response.function_call_arguments.done', fields), done()];
    }
    const isText = block.type === 'text';
    const whole = { ...partOf(item, index), text: block.text, ...(isText && { logprobs: [] }) };
    return [
      this.#number(isText ? 'response.output_text.done' : 'response.reasoning_text.done', whole),
      this.#number('response.content_part.done', { ...partOf(item, index), part: partObject(block) }),
      done(),
    ];
  }

  #end(type: string, ending: ResponseEnding): ResponseEvent {
    this.ending = ending;
    return this.#number(type, { response: responseObject({ ...this.#stored, ending }, 'in_progress') });
  }

  #number(type: string, fields: object): ResponseEvent {
    const event = { type, sequence_number: this.#sequence, ...fields };
    this.#sequence += 1;
    return event;
  }
}

function partOf({ id }: Item, index: number) {
  return { item_id: id, output_index: index, content_index: 0 };
}

function partObject({ type, text }: AnswerBlock) {
  return type === 'text' ? outputText(text) : reasoningText(text);
}
