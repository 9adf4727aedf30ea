// A request that a group has taken from its queue.
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';

export interface TakenGeneration {
  readonly request: GenerationRequest;
  /** Entries already in its token stream (a predecessor wrote them): 0 for a fresh request; the next entry is lastSeq + 1. */
  readonly lastSeq: number;
  /** True when the request was cancelled meanwhile: finish it as cancelled instead of running it. */
  readonly cancelled: boolean;
  /** 1 on the first dispatch. */
  readonly attempt: number;
  /** False if no other request was waiting: there is no work until the next wake-up. */
  readonly moreWait: boolean;
}
