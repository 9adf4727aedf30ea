// Statistics of a worker's loop: numbers for its heartbeat, which gateways export as metrics, and lines for its log.
// Ids and counts only: never prompts or completions.
import type { Logger } from '../../infra/log/logger.ts';
import { countPromptTokens } from '../../infra/messages/generation-request.ts';
import type { FinishReason } from '../../infra/queue/finish-generation.ts';
import type { Generation } from '../generation/generation.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { GroupObserver, ObservedStep } from './generation-group.ts';

export class WorkerStatistics implements GroupObserver {
  #scheduler: Scheduler | null = null;
  readonly #log: Logger;
  #steps = 0;
  #rows = 0;
  #tokens = 0;
  #stepSeconds = 0;
  #guessed = 0;
  #accepted = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #failures = 0;
  #starts = 0;
  #gaveWay = 0;
  #queueWaitSeconds = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Reports of this scheduler from now on; null while another node leads. */
  watch(scheduler: Scheduler | null): void {
    this.#scheduler = scheduler;
  }

  /** Totals since the worker started, and what runs now. */
  numbers(): Readonly<Record<string, number>> {
    return {
      steps: this.#steps,
      rows: this.#rows,
      tokens: this.#tokens,
      stepSeconds: this.#stepSeconds,
      guessedTokens: this.#guessed,
      acceptedTokens: this.#accepted,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      starts: this.#starts,
      gaveWay: this.#gaveWay,
      queueWaitSeconds: this.#queueWaitSeconds,
      failures: this.#failures,
      running: this.#scheduler?.running ?? 0,
      waiting: this.#scheduler?.waiting ?? 0,
      kvUse: this.#scheduler?.kvUse ?? 0,
    };
  }

  started({ request, completionTokens }: Generation, attempt: number): void {
    const { id, tenant, createdAtMs } = request;
    const promptTokens = countPromptTokens(request);
    this.#starts += 1;
    // Clocks of two machines may differ by a little.
    if (attempt === 1) this.#queueWaitSeconds += Math.max(0, Date.now() - createdAtMs) / 1000;
    this.#log.info({ id, tenant, promptTokens, attempt, resumedAt: completionTokens }, 'started');
  }

  gaveWay({ request, completionTokens }: Generation): void {
    this.#gaveWay += 1;
    this.#log.info({ id: request.id, tenant: request.tenant, completionTokens }, 'gave way');
  }

  stepped({ rows, tokens, guessed, accepted, milliseconds }: ObservedStep): void {
    this.#steps += 1;
    this.#rows += rows;
    this.#tokens += tokens;
    this.#guessed += guessed;
    this.#accepted += accepted;
    this.#stepSeconds += milliseconds / 1000;
  }

  ended({ request, completionTokens, cachedTokens }: Generation, reason: FinishReason): void {
    const { id, tenant } = request;
    this.#promptTokens += countPromptTokens(request);
    this.#cachedTokens += cachedTokens ?? 0;
    this.#log.info({ id, tenant, outcome: reason.outcome, completionTokens, cachedTokens }, 'ended');
  }

  failed({ request }: Generation, cause: unknown): void {
    this.#failures += 1;
    this.#log.error({ id: request.id, tenant: request.tenant, err: cause }, 'generation failed');
  }
}
