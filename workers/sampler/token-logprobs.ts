// Log-probabilities as clients get them: of the model's own distribution, before penalties, bias, temperature and truncation.
import type { TokenLogprob } from '../../infra/messages/token-event.ts';
import { relativeWeight } from './relative-weight.ts';

/** Log-probability of `id` and of the `top` most likely tokens, ties by lower id. `logits`: `[vocab]`, finite. */
export function tokenLogprob(logits: Float32Array, id: number, top: number): TokenLogprob {
  const best = mostLikely(logits, Math.max(1, top));
  const shift = logSumExp(logits, logits[best[0] ?? 0] ?? 0);
  const logprob = (token: number) => (logits[token] ?? 0) - shift;
  const alternatives = best.slice(0, top).map((token): readonly [number, number] => [token, logprob(token)]);
  return { id, logprob: logprob(id), top: alternatives };
}

function logSumExp(logits: Float32Array, largest: number): number {
  let sum = 0;
  for (let id = 0; id < logits.length; id += 1) sum += relativeWeight((logits[id] ?? 0) - largest);
  return largest + Math.log(sum);
}

/** Ids of the `count` largest logits, best first. */
function mostLikely(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  let threshold = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] ?? 0;
    if (best.length === count && logit <= threshold) continue;
    let at = best.length;
    while (at > 0 && (logits[best[at - 1] ?? 0] ?? 0) < logit) at -= 1;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
    threshold = logits[best[best.length - 1] ?? 0] ?? 0;
  }
  return best;
}
