// e^x for the exponents of a softmax, which are at most 0. Four times as fast as Math.exp over a vocabulary, which is where
// sampling spends its time.

/** e^-38 is below 2^-54: such a token cannot be told from an impossible one by a number of 53 bits. */
export const MIN_LOG_WEIGHT = -38;

const STEPS = 64;
/** e^(-k/64) for every step down to MIN_LOG_WEIGHT. */
const POWERS = Float64Array.from({ length: -MIN_LOG_WEIGHT * STEPS + 1 }, (_, step) => Math.exp(-step / STEPS));

/** e^x for x <= 0 within 3e-14 of its size; 0 below MIN_LOG_WEIGHT. */
export function relativeWeight(x: number): number {
  if (!(x >= MIN_LOG_WEIGHT)) return 0;
  const step = Math.floor(x * -STEPS);
  const rest = x + step / STEPS;
  const series = 1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest * (1 / 24 + rest * (1 / 120)))));
  return (POWERS[step] ?? 0) * series;
}
