// A generation by the engine in this process, timed: what everything else is compared with.
import { generateLocally } from '../../../workers/serve/generate-locally.ts';
import { localExecutor } from '../../../workers/serve/local-executor.ts';
import type { Engine } from '../../../workers/serve/open-engine.ts';
import type { GenerationRequest } from '../../messages/generation-request.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';

/** When the tokens of one answer came. */
export interface GenerationTimes {
  /** From asking to the first token with text, in ms. */
  readonly firstMs: number;
  /** From asking to the last token, in ms. */
  readonly lastMs: number;
  readonly tokens: number;
  readonly text: string;
  /** Between one token with text and the next, in ms. */
  readonly gapsMs: readonly number[];
}

/** Notes when pieces of an answer arrive. Pieces without text are not seen by a client and do not count as arrivals. */
export class ArrivalClock {
  readonly #startedMs = performance.now();
  readonly #arrivalsMs: number[] = [];
  #text = '';

  arrived(text: string, last: boolean): void {
    if (text === '' && !last) return;
    this.#text += text;
    this.#arrivalsMs.push(performance.now() - this.#startedMs);
  }

  times(tokens: number): GenerationTimes {
    const arrivals = this.#arrivalsMs;
    const gapsMs = arrivals.slice(1).map((atMs, index) => atMs - (arrivals[index] ?? atMs));
    return { firstMs: arrivals[0] ?? 0, lastMs: arrivals.at(-1) ?? 0, tokens, text: this.#text, gapsMs };
  }
}

/** Runs `request` alone in `engine`. Throws DomainError when its logits cannot be sampled. */
export async function timeGeneration(
  { scheduler, session }: Engine,
  tokenizer: Tokenizer,
  request: GenerationRequest,
): Promise<GenerationTimes> {
  const clock = new ArrivalClock();
  let tokens = 0;
  for await (const event of generateLocally({ scheduler, executor: localExecutor(session), tokenizer }, request)) {
    tokens += event.ids.length;
    clock.arrived(event.text, event.finish !== null);
  }
  return clock.times(tokens);
}

/** Tokens per second after the first one. */
export function decodeRate({ firstMs, lastMs, tokens }: GenerationTimes): number {
  return ((tokens - 1) * 1000) / (lastMs - firstMs);
}
