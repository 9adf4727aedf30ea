// What sampling means, written the obvious way: sort everything, then cut. The engine's sampler is tested against it.
import { GREEDY, type SamplingParams } from '../../../infra/messages/generation-request.ts';
import { philox4x32 } from '../../../workers/sampler/philox.ts';
import type { Before } from '../../sample-logits.ts';

export const DEFAULTS: SamplingParams = { ...GREEDY, temperature: 1, seed: 1 };

/** A number in [0, 1), uniform over the multiples of 2^-53, named by seed, choice and position. */
export function uniform(seed: number | string, choice: number, position: number): number {
  const bits = BigInt(seed);
  const key = [Number(BigInt.asUintN(32, bits)), Number(BigInt.asUintN(32, bits >> 32n))] as const;
  const [high, low] = philox4x32([position, choice, 0, 0], key);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

interface Candidate {
  readonly id: number;
  readonly logit: number;
  readonly exponent: number;
  readonly weight: number;
}

/** e^-38 is below 2^-54: what is less likely can never be drawn by a number of 53 bits. */
const MIN_EXPONENT = -38;
const LARGEST_FLOAT = (2 - 2 ** -23) * 2 ** 127;

/** Logits after penalties and bias, rounded to f32 after each step as the engine's are. */
export function naiveAdjust(logits: Float32Array, params: SamplingParams, before: Before): Float32Array {
  const prompt = new Set(before.prompt);
  const counts = new Map<number, number>();
  for (const id of before.generated) counts.set(id, (counts.get(id) ?? 0) + 1);
  return Float32Array.from(logits, (logit, id) => {
    const count = counts.get(id) ?? 0;
    const seen = count > 0 || prompt.has(id);
    const factor = logit > 0 ? logit / params.repetitionPenalty : logit * params.repetitionPenalty;
    const repeated = Math.fround(Math.min(Math.max(factor, -LARGEST_FLOAT), LARGEST_FLOAT));
    const penalty = count > 0 ? count * params.frequencyPenalty : 0;
    const presence = count > 0 ? params.presencePenalty : 0;
    const penalized = Math.fround((seen ? repeated : logit) - penalty - presence);
    return params.logitBias
      .filter(([biased]) => biased === id)
      .reduce((sum, [, bias]) => Math.fround(sum + bias), penalized);
  });
}

/** Larger logit first, then lower id. */
function rank(logits: Float32Array): number[] {
  return [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
}

/** Tokens that may be drawn, best first. */
function naiveCandidates(logits: Float32Array, { temperature, topK, topP, minP }: SamplingParams): Candidate[] {
  const ranked = rank(logits);
  const largest = logits[ranked[0] ?? 0] ?? 0;
  const all = ranked
    .map((id): Candidate => {
      const logit = logits[id] ?? 0;
      const exponent = (logit - largest) / temperature;
      return { id, logit, exponent, weight: Math.exp(exponent) };
    })
    .filter(({ exponent }) => exponent >= MIN_EXPONENT);
  const best = topK > 0 ? all.slice(0, topK) : all;
  return keepTopP(best, topP).filter(({ exponent }) => exponent >= Math.log(minP));
}

function keepTopP(ranked: readonly Candidate[], topP: number): readonly Candidate[] {
  if (topP >= 1) return ranked;
  const budget = topP * ranked.reduce((sum, { weight }) => sum + weight, 0);
  let reached = 0;
  const last = ranked.findIndex(({ weight }) => {
    reached += weight;
    return reached >= budget;
  });
  return last < 0 ? ranked : ranked.slice(0, last + 1);
}

/** The token for a uniform number, of logits that are adjusted. */
function naiveDraw(logits: Float32Array, params: SamplingParams, random: number): number {
  const kept = naiveCandidates(logits, params).sort((a, b) => a.id - b.id);
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  let reached = 0;
  const drawn = kept.find(({ weight }) => {
    reached += weight;
    return reached > random * total;
  });
  return drawn?.id ?? kept.at(-1)?.id ?? -1;
}

/** The next token's id, -1 where penalties and bias leave none. `logits`: finite. */
export function naiveSample(logits: Float32Array, params: SamplingParams, before: Before): number {
  const adjusted = naiveAdjust(logits, params, before);
  const best = rank(adjusted)[0] ?? 0;
  if (!Number.isFinite(adjusted[best])) return -1;
  if (params.temperature === 0) return best;
  return naiveDraw(adjusted, params, uniform(params.seed, before.choice, before.generated.length));
}

/** Log-probability of `id`, and of the `top` most likely tokens with their ids. `logits`: finite. */
export function naiveLogprobs(logits: Float32Array, id: number, top: number) {
  const ranked = rank(logits);
  const largest = logits[ranked[0] ?? 0] ?? 0;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  const logprob = (token: number): number => (logits[token] ?? 0) - largest - Math.log(sum);
  return { logprob: logprob(id), top: ranked.slice(0, top).map((token) => [token, logprob(token)] as const) };
}
