// A scheduler to which every step seems to take the same time: what it does depends on nothing but its input, and guessing
// tokens always pays.

import { Scheduler } from '../workers/scheduler/scheduler.ts';
import type { StepRows } from '../workers/scheduler/step-rows.ts';

export class ConstantTimeScheduler extends Scheduler {
  override complete(step: readonly StepRows[]): void {
    super.complete(step, 1);
  }
}

/** What it expects of steps before it has seen any. */
export const CONSTANT_SHAPE = { fixed: 1, perExpert: 0, experts: 1, topK: 1, perRow: 0 };
