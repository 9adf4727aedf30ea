// A generation by the engine in this process, timed: what everything else is compared with.
import { generateTogether } from '../../../workers/serve/generate-locally.ts';
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
  /** Between one arrival of tokens with text and the next, in ms; those that came together are one arrival. */
  readonly gapsMs: readonly number[];
}

/** A piece of an answer; without text it is not seen by a client and does not count as an arrival. */
export interface Piece {
  /** Since asking, in ms. */
  readonly atMs: number;
  readonly text: string;
  readonly last: boolean;
}

export function timesOf(pieces: readonly Piece[], tokens: number): GenerationTimes {
  const seen = pieces.filter(({ text, last }) => text !== '' || last);
  const arrivals = [...new Set(seen.map(({ atMs }) => atMs))];
  const gapsMs = arrivals.slice(1).map((atMs, index) => atMs - (arrivals[index] ?? atMs));
  const text = seen.map((piece) => piece.text).join('');
  return { firstMs: seen[0]?.atMs ?? 0, lastMs: seen.at(-1)?.atMs ?? 0, tokens, text, gapsMs };
}

/** Runs `request` alone in `engine`. Throws DomainError when its logits cannot be sampled. */
export async function timeGeneration(
  engine: Engine,
  tokenizer: Tokenizer,
  request: GenerationRequest,
): Promise<GenerationTimes> {
  const [times] = await timeTogether(engine, tokenizer, [request]);
  if (times === undefined) throw new Error('A request has no times');
  return times;
}

/** Runs the requests at once, in shared steps; the times of each. Throws DomainError when logits cannot be sampled. */
export async function timeTogether(
  { scheduler, session }: Engine,
  tokenizer: Tokenizer,
  requests: readonly GenerationRequest[],
): Promise<GenerationTimes[]> {
  const startedMs = performance.now();
  const answers = requests.map(() => ({ pieces: [] as Piece[], tokens: 0 }));
  const parts = { scheduler, executor: localExecutor(session), tokenizer };
  for await (const { request, event } of generateTogether(parts, requests)) {
    const answer = answers[request];
    if (answer === undefined) continue;
    answer.tokens += event.ids.length;
    answer.pieces.push({ atMs: performance.now() - startedMs, text: event.text, last: event.finish !== null });
  }
  return answers.map(({ pieces, tokens }) => timesOf(pieces, tokens));
}

/** Tokens per second after the first one. */
export function decodeRate({ firstMs, lastMs, tokens }: GenerationTimes): number {
  return ((tokens - 1) * 1000) / (lastMs - firstMs);
}
