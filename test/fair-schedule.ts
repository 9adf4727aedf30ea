// Adversarial schedules for fair dispatch: arrivals in bursts, sizes from 1 to thousands, answers that stop early.
import fc from 'fast-check';
import { MAX_WEIGHT, MIN_WEIGHT, REBASE_ABOVE } from '../infra/redis/fair-limits.ts';

export const SEED = 20_251_122;

export type FairStep =
  | { readonly kind: 'arrive'; readonly queue: number; readonly reserved: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'reweigh'; readonly queue: number; readonly weight: number }
  | { readonly kind: 'use'; readonly job: number; readonly part: number }
  | { readonly kind: 'finish'; readonly job: number; readonly part: number };

export interface FairSchedule {
  readonly slots: number;
  readonly weights: readonly number[];
  /** Virtual time before the first step: a new system, or one about to rebase its counters. */
  readonly startAt: number;
  readonly steps: readonly FairStep[];
}

const arrive = fc.record({
  kind: fc.constant('arrive' as const),
  queue: fc.nat(3),
  reserved: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 500, max: 4_000 })),
});
/** The bounds themselves, and what is no power of two. */
const weight = fc.constantFrom(1, 2, 4, 3, 0.7, MIN_WEIGHT, MAX_WEIGHT);
const reweigh = fc.record({ kind: fc.constant('reweigh' as const), queue: fc.nat(3), weight });
const take = fc.record({ kind: fc.constant('take' as const) });
const part = fc.constantFrom(0, 0.1, 0.5, 1);
const use = fc.record({ kind: fc.constant('use' as const), job: fc.nat(7), part });
const finish = fc.record({ kind: fc.constant('finish' as const), job: fc.nat(7), part });

/** Up to `length` steps over two to four queues. */
export function fairSchedules(length: number): fc.Arbitrary<FairSchedule> {
  return fc.record({
    slots: fc.integer({ min: 1, max: 6 }),
    weights: fc.array(weight, { minLength: 2, maxLength: 4 }),
    startAt: fc.constantFrom(0, REBASE_ABOVE - 2_000, REBASE_ABOVE - 0.1),
    steps: fc.array(
      fc.oneof(
        { weight: 4, arbitrary: arrive },
        { weight: 6, arbitrary: take },
        { weight: 1, arbitrary: use },
        { weight: 2, arbitrary: finish },
        { weight: 1, arbitrary: reweigh },
      ),
      { minLength: length / 2, maxLength: length },
    ),
  });
}
