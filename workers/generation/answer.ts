// One choice of a request while it is generated: token by token to text that may be released, until a stop token, a stop
// string or the token limit ends it. A pure state machine over token ids: pushing published ids again rebuilds it, so
// another worker goes on where a dead one stopped.
import { type GenerationRequest, promptOf } from '../../infra/messages/generation-request.ts';
import type { FinishReason, PlacedLogprob, TokenLogprob, TokensEvent } from '../../infra/messages/token-event.ts';
import { IncrementalDetokenizer } from '../../infra/tokenizer/incremental-detokenizer.ts';
import { StopStringMatcher } from '../../infra/tokenizer/stop-strings.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';

export class Answer {
  readonly choice: number;
  readonly #request: GenerationRequest;
  readonly #stopTokens: ReadonlySet<number>;
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #stopStrings: StopStringMatcher;
  readonly #isSilent: (id: number) => boolean;
  readonly #prompt: readonly number[];
  #echoed = 0;
  /** UTF-16 units of all text so far, also of what is held back. */
  #length = 0;
  #generated = 0;
  #finish: FinishReason | null = null;
  #stopString: string | null = null;

  constructor(request: GenerationRequest, choice: number, tokenizer: Tokenizer) {
    this.choice = choice;
    this.#request = request;
    this.#stopTokens = new Set(request.stopTokens);
    this.#prompt = promptOf(request, choice);
    const shown = request.shownTokens ?? [];
    this.#detokenizer = new IncrementalDetokenizer(tokenizer, request.echo ? [] : this.#prompt, shown);
    this.#stopStrings = new StopStringMatcher(request.stop);
    this.#isSilent = (id) => this.#stopTokens.has(id) || (tokenizer.isSilent(id) && !shown.includes(id));
  }

  /** Tokens generated so far, a stop token included. */
  get generated(): number {
    return this.#generated;
  }

  /** Why the answer has ended; null while it goes on. */
  get finish(): FinishReason | null {
    return this.#finish;
  }

  /** Tokens of the prompt that were repeated so far. */
  get echoed(): number {
    return this.#echoed;
  }

  /** Repeats the next `count` tokens of the prompt; stop strings are not looked for in it. Before any generated token. */
  echo(count: number, logprobs: readonly TokenLogprob[] | null): TokensEvent {
    const placed: PlacedLogprob[] = [];
    let text = '';
    for (let at = 0; at < count; at += 1) {
      const logprob = logprobs?.[at];
      if (logprob !== undefined) placed.push(this.#place(logprob));
      const decoded = this.#detokenizer.push(this.#prompt[this.#echoed + at] ?? 0);
      this.#length += decoded.length;
      text += decoded;
    }
    this.#echoed += count;
    if (this.#request.maxTokens === 0 && this.#echoed === this.#prompt.length) {
      this.#finish = 'length';
      text += this.#detokenizer.finish();
    }
    const shown = logprobs === null ? null : placed;
    return { type: 'tokens', choice: this.choice, ids: [], echoed: count, text, logprobs: shown, finish: this.#finish };
  }

  /**
   * Adds one generated token and returns the event to publish. Not after the end. `last`: nothing may follow but a stop token,
   * which not every model has.
   */
  push(id: number, logprob: TokenLogprob | null, last = false): TokensEvent {
    this.#generated += 1;
    const logprobs = logprob === null ? null : [this.#place(logprob)];
    const text = this.#stopTokens.has(id)
      ? this.#end('stop', '')
      : this.#advance(id, last && this.#stopTokens.size === 0);
    const stopString = this.#stopString === null ? {} : { stopString: this.#stopString };
    return { type: 'tokens', choice: this.choice, ids: [id], text, logprobs, finish: this.#finish, ...stopString };
  }

  /** The place is where the text ends before the token is part of it. */
  #place(logprob: TokenLogprob): PlacedLogprob {
    return { ...logprob, offset: this.#length, ...(this.#isSilent(logprob.id) && { silent: true }) };
  }

  #advance(id: number, last: boolean): string {
    const decoded = this.#detokenizer.push(id);
    this.#length += decoded.length;
    const { text, stop } = this.#stopStrings.push(decoded);
    if (stop !== null) {
      this.#finish = 'stop';
      this.#stopString = stop;
      return text;
    }
    if (last) return this.#end('stop', text);
    return this.#generated === this.#request.maxTokens ? this.#end('length', text) : text;
  }

  // The answer will not grow: an open character and what might have become a stop string are text after all.
  #end(reason: FinishReason, text: string): string {
    const last = this.#stopStrings.push(this.#detokenizer.finish());
    this.#finish = last.stop === null ? reason : 'stop';
    this.#stopString = last.stop;
    return text + last.text + (last.stop === null ? this.#stopStrings.finish() : '');
  }
}
