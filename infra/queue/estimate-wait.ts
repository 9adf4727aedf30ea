// How long a queue takes, from the mean gap between its dispatches while it had more to dispatch. Pure.

/** As scripts return it: '' is "not measured". */
export interface DispatchRate {
  /** Mean ms between two dispatches. */
  readonly gapMs: number | null;
  /** Ms since the last dispatch. */
  readonly idleMs: number | null;
}

const UNMEASURED_RETRY_SECONDS = 5;
const MAX_RETRY_SECONDS = 300;

/** Reads the two fields of a script's reply. */
export function parseDispatchRate(gap: unknown, idle: unknown): DispatchRate {
  return { gapMs: toNumber(gap), idleMs: toNumber(idle) };
}

/** Ms until a request with `ahead` others before it is dispatched; null while nothing was measured. */
export function estimateWaitMs(ahead: number, rate: DispatchRate): number | null {
  const gap = currentGapMs(rate);
  return gap === null ? null : Math.round((ahead + 1) * gap);
}

/** Seconds until one more place is free, 1 to 300. */
export function retryAfterSeconds(rate: DispatchRate): number {
  const gap = currentGapMs(rate);
  if (gap === null) return UNMEASURED_RETRY_SECONDS;
  return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(gap / 1_000)));
}

// A queue that stopped moving gets slower by the minute, although no dispatch measures it.
function currentGapMs(rate: DispatchRate): number | null {
  return rate.gapMs === null ? null : Math.max(rate.gapMs, rate.idleMs ?? 0);
}

function toNumber(text: unknown): number | null {
  return typeof text === 'string' && text !== '' ? Number(text) : null;
}
