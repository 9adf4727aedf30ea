// How much of a model a backend's GPU may hold, before its system is asked for more than it gives.
import type { Backend } from '../../native/choose-backend.ts';
import { gpuProperties } from '../../native/model-session.ts';

/** The rest of what the GPU may hold wired is for rows on their way through a step. */
const WEIGHTS_SHARE = 0.97;

/** Bytes for weights and KV cache; Infinity for the CPU, whose memory is the machine's. */
export function gpuBytes(backend: Backend): number {
  if (backend === 'cpu') return Number.POSITIVE_INFINITY;
  return Math.floor(gpuProperties(backend).workingSetBytes * WEIGHTS_SHARE);
}
