// Delivers frames from the streams to the steps that wait for them. In: frames as they arrive. Out: those of one point of a
// step, handed over the moment they are here. What comes early is kept, what comes late is dropped.
import type { LayerFrame } from '../../infra/messages/layer-frame.ts';
import { comparePoints, type FramePoint } from './frame-order.ts';

/** Takes a frame of member `from`; true when the wait is over. May throw: the wait then rejects. */
export type AcceptFrame = (from: number, frame: LayerFrame) => boolean;

export interface WaitTimeout {
  readonly ms: number;
  /** The wait lasts too long: returns how long to wait on, in ms, or null when it is over; throws to reject it. */
  readonly onLate: () => number | null;
}

interface Waiting {
  readonly point: FramePoint;
  readonly accept: AcceptFrame;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

/** Why a wait ends when the group has a newer plan. */
export class Superseded extends Error {
  constructor() {
    super('A newer plan of the group is in force.');
    this.name = 'Superseded';
  }
}

export class IncomingFrames {
  #epoch = 0;
  /** Aborted when no wait of this epoch can succeed any more. */
  #over = new AbortController();
  #early: { readonly from: number; readonly frame: LayerFrame }[] = [];
  #waiting: Waiting | null = null;

  /** Of the epoch in force; its reason is why it was interrupted. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** A frame has arrived from member `from`; one of another epoch than that in force goes no further. */
  arrive(from: number, frame: LayerFrame): void {
    if (frame.epoch !== this.#epoch) return;
    const waiting = this.#waiting;
    const order = waiting === null ? 1 : comparePoints(frame, waiting.point);
    // A failure concerns whatever is waited for.
    if (waiting !== null && (order === 0 || frame.kind === 'failure')) this.#offer(waiting, from, frame);
    else if (order > 0) this.#early.push({ from, frame });
  }

  /**
   * Waits until `accept` has taken all it needs of the frames of `point`, or a failure. One wait at a time. Rejects with
   * Superseded once another epoch is in force, with what `accept` or `onLate` throws, or as interrupt says.
   */
  wait(point: FramePoint, accept: AcceptFrame, timeout: WaitTimeout | null): Promise<void> {
    if (point.epoch !== this.#epoch) return Promise.reject(new Superseded());
    if (this.signal.aborted) return Promise.reject(this.signal.reason);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { point, accept, resolve, reject, timer: undefined };
      this.#waiting = waiting;
      if (this.#early.length > 0) this.#offerEarly(waiting);
      if (this.#waiting === waiting && timeout !== null) this.#startTimer(waiting, timeout.ms, timeout.onLate);
    });
  }

  /** Rejects the wait there is and all that come in this epoch: the node may be computing just now. */
  interrupt(reason: unknown): void {
    this.#over.abort(reason);
    if (this.#waiting !== null) this.#end(this.#waiting).reject(reason);
  }

  /** Switches to a plan: early frames of other plans are dropped, and waits for them fail. */
  beginEpoch(epoch: number): void {
    this.interrupt(new Superseded());
    this.#epoch = epoch;
    this.#early = [];
    this.#over = new AbortController();
  }

  #offerEarly(waiting: Waiting): void {
    const frames = this.#early;
    this.#early = [];
    for (const { from, frame } of frames) {
      if (this.#waiting === waiting) this.arrive(from, frame);
      else this.#early.push({ from, frame });
    }
  }

  #offer(waiting: Waiting, from: number, frame: LayerFrame): void {
    try {
      if (waiting.accept(from, frame)) this.#end(waiting).resolve();
    } catch (thrown) {
      this.#end(waiting).reject(thrown);
    }
  }

  #startTimer(waiting: Waiting, ms: number, onLate: WaitTimeout['onLate']): void {
    waiting.timer = setTimeout(() => {
      try {
        const moreMs = onLate();
        if (moreMs === null) this.#end(waiting).resolve();
        else this.#startTimer(waiting, moreMs, onLate);
      } catch (thrown) {
        this.#end(waiting).reject(thrown);
      }
    }, ms);
  }

  #end(waiting: Waiting): Waiting {
    clearTimeout(waiting.timer);
    if (this.#waiting === waiting) this.#waiting = null;
    return waiting;
  }
}
