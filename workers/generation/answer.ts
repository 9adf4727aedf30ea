// One choice of a request while it is generated: token by token to text that may be released, until a stop token, a stop
// string or the token limit ends it. A pure state machine over token ids: pushing published ids again rebuilds it, so
// another worker goes on where a dead one stopped.
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';
import type { FinishReason, TokenLogprob, TokensEvent } from '../../infra/messages/token-event.ts';
import { IncrementalDetokenizer } from '../../infra/tokenizer/incremental-detokenizer.ts';
import { StopStringMatcher } from '../../infra/tokenizer/stop-strings.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';

export class Answer {
  readonly choice: number;
  readonly #request: GenerationRequest;
  readonly #stopTokens: ReadonlySet<number>;
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #stopStrings: StopStringMatcher;
  #generated = 0;
  #finish: FinishReason | null = null;

  constructor(request: GenerationRequest, choice: number, tokenizer: Tokenizer) {
    this.choice = choice;
    this.#request = request;
    this.#stopTokens = new Set(request.stopTokens);
    this.#detokenizer = new IncrementalDetokenizer(tokenizer, request.promptTokens);
    this.#stopStrings = new StopStringMatcher(request.stop);
  }

  /** Tokens generated so far, a stop token included. */
  get generated(): number {
    return this.#generated;
  }

  /** Why the answer has ended; null while it goes on. */
  get finish(): FinishReason | null {
    return this.#finish;
  }

  /** Adds one generated token and returns the event to publish. Not after the end. */
  push(id: number, logprob: TokenLogprob | null): TokensEvent {
    this.#generated += 1;
    const text = this.#stopTokens.has(id) ? this.#end('stop', '') : this.#advance(id);
    const logprobs = logprob === null ? null : [logprob];
    return { type: 'tokens', choice: this.choice, ids: [id], text, logprobs, finish: this.#finish };
  }

  #advance(id: number): string {
    const { text, stop } = this.#stopStrings.push(this.#detokenizer.push(id));
    if (stop !== null) {
      this.#finish = 'stop';
      return text;
    }
    return this.#generated === this.#request.maxTokens ? this.#end('length', text) : text;
  }

  // The answer will not grow: an open character and what might have become a stop string are text after all.
  #end(reason: FinishReason, text: string): string {
    const last = this.#stopStrings.push(this.#detokenizer.finish());
    this.#finish = last.stop === null ? reason : 'stop';
    return text + last.text + (last.stop === null ? this.#stopStrings.finish() : '');
  }
}
