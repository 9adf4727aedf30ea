// Which of two frames comes first in the life of a step. Pure.
import type { FrameKind } from '../../infra/messages/layer-frame.ts';

/** What a node waits for, or what a frame is. */
export interface FramePoint {
  readonly epoch: number;
  readonly step: number;
  readonly layer: number;
  readonly kind: FrameKind;
}

/** Within a layer: work is given out, outputs come back, sums are spread. */
const RANK: Readonly<Record<FrameKind, number>> = { work: 0, outputs: 1, sums: 2, failure: 3 };

/** Negative when `a` comes before `b`, 0 when they are the same point, positive otherwise. */
export function comparePoints(a: FramePoint, b: FramePoint): number {
  return a.epoch - b.epoch || a.step - b.step || a.layer - b.layer || RANK[a.kind] - RANK[b.kind];
}
