// Which log-probabilities a chat answer shows: those of tokens whose text is in it. In: token events of one choice, in order. Out:
// log-probabilities with the text they belong to; what a stop string cut off, and the token that ended the answer, never come.
import type { PlacedLogprob, TokensEvent } from '../../infra/messages/token-event.ts';

export class ShownLogprobs {
  #waiting: PlacedLogprob[] = [];
  #shownLength = 0;

  /** The tokens of which some text is shown with this event for the first time. */
  take({ text, logprobs }: Pick<TokensEvent, 'text' | 'logprobs'>): readonly PlacedLogprob[] {
    this.#waiting.push(...(logprobs ?? []).filter(({ silent }) => silent !== true));
    this.#shownLength += text.length;
    const hidden = this.#waiting.findIndex(({ offset }) => offset >= this.#shownLength);
    return this.#waiting.splice(0, hidden === -1 ? this.#waiting.length : hidden);
  }
}
