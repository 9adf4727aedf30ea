// How fast mapped files are read when nothing else is done with them: what decoding is measured against.
import { loadAddon } from './load-addon.ts';
import type { MappedFile } from './mapped-file.ts';
import { refusing } from './native-error.ts';

/** Small files are read repeatedly, so that the time to start the threads is negligible. */
const MIN_BYTES = 2 ** 30;

/**
 * Bytes per second at which `threads` threads read `files` from memory, each line of 64 bytes with one load where the CPU
 * can. Blocks for as long as that takes. Files together below the size of the caches give the speed of the caches.
 */
export function readBandwidth(files: readonly MappedFile[], threads: number): number {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const passes = Math.max(1, Math.ceil(MIN_BYTES / bytes));
  const raw = files.map((file) => file.raw);
  return (bytes * passes) / refusing(() => loadAddon().probeReadSeconds(raw, threads, passes));
}
