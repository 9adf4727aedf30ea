// A place for an encoder process: started when it is needed, again after it died. Decides nothing about blame.
import { EncoderChild, EncoderDied } from './encoder-child.ts';
import type { EncodedPrompt, EncoderModel, LoadedModel, Prompt } from './encoder-messages.ts';

export interface EncoderLimits {
  readonly loadMs: number;
  /** Longest time for a prompt of a size in bytes. Scripts end by themselves before it. */
  readonly promptMs: (bytes: number) => number;
  /** V8's heap, in MiB. */
  readonly heapMiB: number;
  /** A process that has grown beyond this is replaced after its answer, in bytes. */
  readonly rssBytes: number;
}

interface Loaded {
  readonly child: EncoderChild;
  readonly model: Promise<LoadedModel>;
}

export class EncoderProcess {
  readonly #model: EncoderModel;
  readonly #limits: EncoderLimits;
  #loaded: Loaded | undefined;

  constructor(model: EncoderModel, limits: EncoderLimits) {
    this.#model = model;
    this.#limits = limits;
  }

  /** Starts the process unless it runs. @throws DomainError `bad_tokenizer`, or EncoderDied */
  async load(): Promise<LoadedModel> {
    if (this.#loaded === undefined || this.#loaded.child.hasEnded) this.#loaded = this.#start();
    return this.#loaded.model;
  }

  /** @throws DomainError for what is refused, or EncoderDied */
  async encode(prompt: Prompt, bytes: number): Promise<EncodedPrompt> {
    await this.load();
    const child = this.#loaded?.child;
    if (child === undefined) throw new EncoderDied('loading', 'it was stopped');
    const phase = prompt.kind === 'chat' ? 'rendering' : 'encoding';
    const answer = await child.ask(prompt, phase, this.#limits.promptMs(bytes));
    if (answer.kind !== 'tokens') throw new TypeError(`An encoder answered a prompt with '${answer.kind}'`);
    if (answer.rssBytes > this.#limits.rssBytes) this.stop();
    return answer.prompt;
  }

  /** Kills the process, even if it is busy. */
  stop(): void {
    this.#loaded?.child.stop();
    this.#loaded = undefined;
  }

  #start(): Loaded {
    const child = new EncoderChild(this.#limits.heapMiB);
    const model = child.ask(this.#model, 'loading', this.#limits.loadMs).then((answer) => {
      if (answer.kind !== 'loaded') throw new TypeError(`An encoder answered a model with '${answer.kind}'`);
      return { table: answer.table, traits: answer.traits };
    });
    // A process without a model is useless. The caller of the pending request handles the rejection.
    model.catch(() => child.stop());
    return { child, model };
  }
}
