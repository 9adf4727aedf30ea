// The most likely token. In: logits. Out: its id; ties go to the lower id.
import { DomainError } from '../../infra/errors/domain-error.ts';

/** Id of the largest logit. `logits`: `[vocab]`, finite or -Infinity, at least one finite. */
export function chooseGreedy(logits: Float32Array): number {
  let best = 0;
  let largest = logits[0] ?? Number.NEGATIVE_INFINITY;
  for (let id = 1; id < logits.length; id += 1) {
    const logit = logits[id] ?? Number.NEGATIVE_INFINITY;
    if (logit <= largest) continue;
    largest = logit;
    best = id;
  }
  return best;
}

/** Throws DomainError `generation_failed` when the model computed NaN or an infinity, or nothing. `logits`: `[vocab]`. */
export function requireFinite(logits: Float32Array): void {
  if (logits.length === 0) throw new DomainError('generation_failed', 'Expected logits, but the model gave none');
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] ?? 0;
    if (logit - logit === 0) continue;
    throw new DomainError('generation_failed', `Expected finite logits, but token ${id} has ${logit}`);
  }
}
