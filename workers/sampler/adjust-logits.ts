// Penalties and bias: what a request changes in the model's logits before anything is chosen. Each step overwrites its first
// argument, `[vocab]` f32, and touches only the tokens concerned.
import type { SamplingParams } from '../../infra/messages/generation-request.ts';
import type { TokenCounts } from './token-counts.ts';

/** True when a request changes the logits at all. */
export function adjustsLogits(params: SamplingParams): boolean {
  return (
    params.repetitionPenalty !== 1 ||
    params.frequencyPenalty !== 0 ||
    params.presencePenalty !== 0 ||
    params.logitBias.length > 0
  );
}

/**
 * All adjustments in their order: the bias comes last, so that nothing scales what the client asked for. Finite logits stay
 * finite, however large they are.
 */
export function adjustLogits(logits: Float32Array, params: SamplingParams, counts: TokenCounts): void {
  penalizeRepetition(logits, params.repetitionPenalty, counts);
  penalizeFrequency(logits, params.frequencyPenalty, params.presencePenalty, counts);
  addBias(logits, params.logitBias);
}

const LARGEST_FLOAT = (2 - 2 ** -23) * 2 ** 127;

/** The nearest finite f32. Only a factor can take a logit out of range: what else is added is far below the last bit there. */
function finite(logit: number): number {
  return Math.min(Math.max(logit, -LARGEST_FLOAT), LARGEST_FLOAT);
}

/** Moves every token of the prompt or the answer towards unlikely: l / penalty where l > 0, l * penalty elsewhere. */
export function penalizeRepetition(logits: Float32Array, penalty: number, counts: TokenCounts): void {
  if (penalty === 1) return;
  const penalize = (id: number) => {
    const logit = logits[id] ?? 0;
    logits[id] = finite(logit > 0 ? logit / penalty : logit * penalty);
  };
  for (const id of counts.prompt) penalize(id);
  for (const id of counts.generated.keys()) if (!counts.prompt.has(id)) penalize(id);
}

/** l - count * frequency - presence for every token of the answer, as OpenAI's API defines them. */
export function penalizeFrequency(
  logits: Float32Array,
  frequency: number,
  presence: number,
  counts: TokenCounts,
): void {
  if (frequency === 0 && presence === 0) return;
  for (const [id, count] of counts.generated) logits[id] = (logits[id] ?? 0) - count * frequency - presence;
}

/** l + bias for the named tokens. */
export function addBias(logits: Float32Array, bias: SamplingParams['logitBias']): void {
  for (const [id, value] of bias) logits[id] = (logits[id] ?? 0) + value;
}
