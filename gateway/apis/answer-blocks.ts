// Answer events of a conversation with one choice -> blocks in the order in which the model wrote them: text, reasoning, calls. Each
// opens, grows and closes; APIs whose answers are lists of blocks or items translate these. In: entries in order, from the first one.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { TokenEvent } from '../../infra/messages/token-event.ts';
import { type AnswerEvent, type AnswerFinish, type AnswerUsage, createAnswerEvents } from '../stream/answer-events.ts';
import type { AnswerView } from '../stream/answer-view.ts';
import type { StreamEntry } from '../stream/follow-streams.ts';

export type AnswerBlock =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  /** `text`: JSON text of the arguments, a part of it if the answer was cut. */
  | { readonly type: 'call'; readonly id: string; readonly name: string; readonly text: string };

/** How a generation that finished has ended. */
export interface AnswerEnding {
  readonly finish: AnswerFinish;
  /** The stop string that ended it, which is not part of the text; null if none did. */
  readonly stopString: string | null;
  readonly usage: AnswerUsage;
}

export type BlockEvent =
  /** A block begins, without text. */
  | { readonly type: 'open'; readonly index: number; readonly block: AnswerBlock }
  | { readonly type: 'grow'; readonly index: number; readonly block: AnswerBlock; readonly text: string }
  /** The block has ended; `cut`: because the limit of tokens was reached. */
  | { readonly type: 'close'; readonly index: number; readonly block: AnswerBlock; readonly cut: boolean }
  | ({ readonly type: 'end' } & AnswerEnding)
  /** There is no whole answer; open blocks are not closed. */
  | { readonly type: 'failed'; readonly error: DomainError };

/** A translator of the entries of one stream. */
export function createAnswerBlocks(view: AnswerView): (event: TokenEvent) => readonly BlockEvent[] {
  const read = createAnswerEvents(view.id, view.reading);
  const blocks = new Blocks();
  return (event) => {
    if (event.type === 'tokens' && event.stopString !== undefined) blocks.stopString = event.stopString;
    return read(event).flatMap((each) => blocks.take(each));
  };
}

class Blocks {
  #open: AnswerBlock | null = null;
  #index = -1;
  #finish: AnswerFinish = 'stop';
  stopString: string | null = null;

  take(event: AnswerEvent): readonly BlockEvent[] {
    switch (event.type) {
      case 'text':
      case 'reasoning':
        return this.#addText(event.type, event.text);
      case 'call':
        return [...this.#close(), ...this.#begin({ type: 'call', id: event.id, name: event.name, text: '' })];
      case 'arguments':
        return this.#grow(event.text);
      case 'call_end':
        return this.#close();
      case 'finish':
        this.#finish = event.reason;
        return [];
      case 'end':
        return this.#end(event);
      default:
        return [];
    }
  }

  #addText(type: 'text' | 'reasoning', text: string): readonly BlockEvent[] {
    if (this.#open?.type === type) return this.#grow(text);
    return [...this.#close(), ...this.#begin({ type, text: '' }), ...this.#grow(text)];
  }

  #begin(block: AnswerBlock): readonly BlockEvent[] {
    this.#open = block;
    this.#index += 1;
    return [{ type: 'open', index: this.#index, block }];
  }

  #grow(text: string): readonly BlockEvent[] {
    if (this.#open === null) return [];
    this.#open = { ...this.#open, text: this.#open.text + text };
    return [{ type: 'grow', index: this.#index, block: this.#open, text }];
  }

  #close(cut = false): readonly BlockEvent[] {
    const block = this.#open;
    this.#open = null;
    return block === null ? [] : [{ type: 'close', index: this.#index, block, cut }];
  }

  #end({ error, usage }: Extract<AnswerEvent, { type: 'end' }>): readonly BlockEvent[] {
    if (error !== undefined) return [{ type: 'failed', error }];
    return [
      ...this.#close(this.#finish === 'length'),
      { type: 'end', finish: this.#finish, stopString: this.stopString, usage },
    ];
  }
}

/** A whole answer. */
export interface BlockAnswer extends AnswerEnding {
  readonly blocks: readonly AnswerBlock[];
}

/** Reads a stream to its end. @throws DomainError when generation failed or was cancelled; `internal` when it just stops. */
export async function collectBlocks(entries: AsyncIterable<StreamEntry>, view: AnswerView): Promise<BlockAnswer> {
  const read = createAnswerBlocks(view);
  const blocks: AnswerBlock[] = [];
  for await (const { event } of entries) {
    for (const each of read(event)) {
      if (each.type === 'failed') throw each.error;
      if (each.type === 'close') blocks.push(each.block);
      if (each.type === 'end') return { blocks, finish: each.finish, stopString: each.stopString, usage: each.usage };
    }
  }
  throw new DomainError('internal', 'The token stream ended without a terminal entry.');
}
