// A running encoder process: sends one request at a time, with a deadline, so that a crash can be attributed to its request.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { FromEncoder, ToEncoder } from './encoder-messages.ts';

/** What a process was doing when it exited. */
export type EncoderPhase = 'loading' | 'rendering' | 'encoding';

/** The process exited before it answered. `reason` never contains prompt text. */
export class EncoderDied extends Error {
  readonly phase: EncoderPhase;
  readonly reason: string;

  constructor(phase: EncoderPhase, reason: string) {
    super(`An encoder process died while ${phase}: ${reason}`);
    this.phase = phase;
    this.reason = reason;
  }
}

export type EncoderAnswer = Extract<FromEncoder, { kind: 'loaded' | 'tokens' }>;

interface Question {
  phase: EncoderPhase;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (answer: EncoderAnswer) => void;
  readonly reject: (error: Error) => void;
}

const MODULE = fileURLToPath(new URL('./run-encoder.js', import.meta.url));
const STDERR_CHARACTERS = 8192;

export class EncoderChild {
  readonly #child: ChildProcess;
  #question: Question | undefined;
  #stderr = '';
  #killedBecause: string | undefined;
  #ended = false;

  /** `heapMiB`: the limit of V8's heap, beyond which V8 ends the process. */
  constructor(heapMiB: number) {
    this.#child = fork(MODULE, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [`--max-old-space-size=${heapMiB}`],
      // Without the gateway's secrets.
      env: { RUST_BACKTRACE: '0' },
    });
    this.#child.on('message', (message) => this.#take(message as FromEncoder));
    this.#child.once('error', (cause) => this.#end(cause.message));
    this.#child.once('close', (code, signal) => this.#end(describeEnd(code, signal, this.#stderr)));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-STDERR_CHARACTERS);
    });
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** @throws DomainError for what is refused, or EncoderDied, also after `ms` */
  ask(message: ToEncoder, phase: EncoderPhase, ms: number): Promise<EncoderAnswer> {
    if (this.#ended) return Promise.reject(new EncoderDied(phase, 'it had already exited'));
    if (this.#question !== undefined) throw new TypeError('An encoder process has one question at a time');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#kill(`it took longer than ${ms / 1000} seconds`), ms);
      this.#question = { phase, timer, resolve, reject };
      // A message that cannot be sent is followed by the end of the process.
      this.#child.send(message, () => {});
    });
  }

  /** Kills the process, even if it is busy. */
  stop(): void {
    this.#kill('it was stopped');
  }

  #take(message: FromEncoder): void {
    if (message.kind === 'encoding') {
      if (this.#question !== undefined) this.#question.phase = 'encoding';
      return;
    }
    const question = this.#answered();
    if (message.kind !== 'refused') question?.resolve(message);
    else question?.reject(toError(message.error));
  }

  #answered(): Question | undefined {
    const question = this.#question;
    this.#question = undefined;
    clearTimeout(question?.timer);
    return question;
  }

  #kill(reason: string): void {
    this.#killedBecause ??= reason;
    this.#child.kill('SIGKILL');
  }

  #end(reason: string): void {
    this.#ended = true;
    const question = this.#answered();
    question?.reject(new EncoderDied(question.phase, this.#killedBecause ?? reason));
  }
}

function toError({ code, message, param, cause }: Extract<FromEncoder, { kind: 'refused' }>['error']): DomainError {
  return new DomainError(code, message, { ...(param !== undefined && { param }), cause });
}

/** Where libraries report a fatal error; other lines may quote the text they failed on. */
const FATAL = /^(?:FATAL ERROR: .*|.*panicked at .*|Onig: .*)$/gmu;

function describeEnd(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  const fatal = stderr.match(FATAL)?.map((line) => line.trim().slice(0, 200)) ?? [];
  return [`it exited with ${signal ?? `code ${code}`}`, ...fatal.slice(0, 2)].join('; ');
}
