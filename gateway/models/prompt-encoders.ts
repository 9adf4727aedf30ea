// The encoder processes of one model and the prompts that wait for them. Two processes: one for short prompts only, one that
// takes long ones first. So a long prompt never makes a short one wait, and memory for encoding is that of two prompts.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Logger } from '../../infra/log/logger.ts';
import { EncoderDied } from './encoder-child.ts';
import type { EncodedPrompt, EncoderModel, LoadedModel, Prompt } from './encoder-messages.ts';
import { type EncoderLimits, EncoderProcess } from './encoder-process.ts';
import { brokenTemplate, SHORTEST_CONVERSATION, templateExceeds } from './limited-template.ts';
import { PromptQueue, QUEUE_BOUNDS, type WaitingPrompt } from './prompt-queue.ts';
import { promptField, sentBytes } from './prompt-size.ts';

/** Time of a script inside a process; a template renders in milliseconds. */
export const SCRIPT_MS = 3_000;

export const ENCODER_LIMITS: EncoderLimits = {
  loadMs: 60_000,
  // Two scripts, which end by themselves, and a megabyte in twenty seconds: what is long is encoded twice.
  promptMs: (bytes) => 10_000 + bytes / 50,
  heapMiB: 512,
  rssBytes: 512 * 1024 * 1024,
};

/** Idle time in ms after which the process for long prompts exits. */
const IDLE_MS = 60_000;

interface Waiting extends WaitingPrompt {
  readonly prompt: Prompt;
  readonly resolve: (encoded: EncodedPrompt) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly process: EncoderProcess;
  readonly take: () => Waiting | undefined;
  busy: boolean;
  idle: NodeJS.Timeout | undefined;
}

export class PromptEncoders {
  readonly #model: EncoderModel;
  readonly #log: Logger;
  readonly #queue = new PromptQueue<Waiting>(QUEUE_BOUNDS);
  readonly #lanes: readonly [short: Lane, any: Lane];
  #broken: DomainError | undefined;
  #retired = false;
  #stopped = false;

  constructor(model: EncoderModel, log: Logger, limits: EncoderLimits = ENCODER_LIMITS) {
    this.#model = model;
    this.#log = log;
    const lane = (take: () => Waiting | undefined): Lane => {
      return { process: new EncoderProcess(model, limits), take, busy: false, idle: undefined };
    };
    this.#lanes = [lane(() => this.#queue.takeShort()), lane(() => this.#queue.takeAny())];
  }

  /** Loads the model. @throws DomainError `bad_tokenizer` naming the file, or that its files ended the process */
  async load(): Promise<LoadedModel> {
    try {
      return await this.#lanes[0].process.load();
    } catch (thrown) {
      throw this.#blame(thrown);
    }
  }

  /**
   * A prompt of `tenant` in tokens.
   * @throws DomainError `invalid_request`, `context_length_exceeded`, `bad_tokenizer`, or when too much waits `queue_full` or
   * `unavailable`
   */
  encode(prompt: Prompt, tenant: string): Promise<EncodedPrompt> {
    return new Promise((resolve, reject) => {
      this.#queue.add({ prompt, tenant, bytes: sentBytes(prompt), resolve, reject });
      for (const lane of this.#lanes) this.#serve(lane);
    });
  }

  /** Ends the processes as soon as nothing waits. */
  retire(): void {
    this.#retired = true;
    for (const lane of this.#lanes) this.#rest(lane);
  }

  /** Ends the processes at once, and with them what is being encoded; what waits is left. */
  stop(): void {
    this.#stopped = true;
    for (const lane of this.#lanes) {
      clearTimeout(lane.idle);
      lane.process.stop();
    }
  }

  #serve(lane: Lane): void {
    if (lane.busy || this.#stopped) return;
    const waiting = lane.take();
    if (waiting === undefined) {
      this.#rest(lane);
      return;
    }
    clearTimeout(lane.idle);
    lane.busy = true;
    this.#encode(lane, waiting)
      .then(waiting.resolve, waiting.reject)
      .finally(() => {
        lane.busy = false;
        for (const each of this.#lanes) this.#serve(each);
      });
  }

  #rest(lane: Lane): void {
    if (lane.busy) return;
    clearTimeout(lane.idle);
    if (this.#retired && this.#queue.size === 0) lane.process.stop();
    else if (lane === this.#lanes[1]) lane.idle = setTimeout(() => lane.process.stop(), IDLE_MS).unref();
  }

  async #encode(lane: Lane, { prompt, bytes }: Waiting): Promise<EncodedPrompt> {
    if (prompt.kind === 'chat' && this.#broken !== undefined) throw this.#broken;
    try {
      return await lane.process.encode(prompt, bytes);
    } catch (thrown) {
      if (thrown instanceof EncoderDied && thrown.phase === 'rendering') await this.#testTemplate(lane, thrown.reason);
      throw this.#blame(thrown, prompt.kind);
    }
  }

  /** Whether the template exceeds a limit with every conversation. @throws DomainError `bad_tokenizer` then */
  async #testTemplate(lane: Lane, reason: string): Promise<void> {
    try {
      await lane.process.encode({ kind: 'chat', conversation: SHORTEST_CONVERSATION }, 0);
    } catch (thrown) {
      // A limit that did not end the process was found out by the process itself.
      if (thrown instanceof DomainError && thrown.code === 'bad_tokenizer') this.#broken = thrown;
      else if (thrown instanceof EncoderDied && thrown.phase === 'rendering') {
        this.#broken = brokenTemplate(this.#model.name, reason);
      } else return;
      throw this.#broken;
    }
  }

  /** Whose fault a death was: that of the files while they were loaded, else that of the prompt. */
  #blame(thrown: unknown, kind: Prompt['kind'] = 'text'): unknown {
    if (!(thrown instanceof EncoderDied)) return thrown;
    const { phase, reason } = thrown;
    this.#log.warn({ model: this.#model.name, phase, reason }, 'an encoder process died');
    if (phase === 'loading') {
      const message = `The tokenizer of the model '${this.#model.name}' could not be loaded: ${reason}.`;
      return new DomainError('bad_tokenizer', message, { cause: thrown });
    }
    if (phase === 'rendering') return templateExceeds('it needs too much time or memory');
    const field = promptField(kind);
    const message = `Your ${field} could not be tokenized: the tokenizer crashed or ran out of time or memory on this text. Shorten it.`;
    return new DomainError('invalid_request', message, { param: field, cause: thrown });
  }
}
