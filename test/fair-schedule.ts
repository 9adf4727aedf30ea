// Adversarial schedules for fair dispatch: arrivals in bursts, sizes from 1 to thousands, answers that stop early.
import fc from 'fast-check';

export const SEED = 20_251_122;

export type FairStep =
  | { readonly kind: 'arrive'; readonly queue: number; readonly reserved: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'use'; readonly job: number; readonly part: number }
  | { readonly kind: 'finish'; readonly job: number; readonly part: number };

export interface FairSchedule {
  readonly slots: number;
  readonly weights: readonly number[];
  readonly steps: readonly FairStep[];
}

const arrive = fc.record({
  kind: fc.constant('arrive' as const),
  queue: fc.nat(3),
  reserved: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 500, max: 4_000 })),
});
const take = fc.record({ kind: fc.constant('take' as const) });
const part = fc.constantFrom(0, 0.1, 0.5, 1);
const use = fc.record({ kind: fc.constant('use' as const), job: fc.nat(7), part });
const finish = fc.record({ kind: fc.constant('finish' as const), job: fc.nat(7), part });

/** Up to `length` steps over two to four queues. */
export function fairSchedules(length: number): fc.Arbitrary<FairSchedule> {
  return fc.record({
    slots: fc.integer({ min: 1, max: 6 }),
    weights: fc.array(fc.constantFrom(1, 2, 4), { minLength: 2, maxLength: 4 }),
    steps: fc.array(
      fc.oneof(
        { weight: 4, arbitrary: arrive },
        { weight: 4, arbitrary: take },
        { weight: 1, arbitrary: use },
        { weight: 3, arbitrary: finish },
      ),
      { minLength: length / 2, maxLength: length },
    ),
  });
}
