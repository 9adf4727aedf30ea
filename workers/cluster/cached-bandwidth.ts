// How fast a node reads weights. Measured once per home and number of threads: nodes of one machine then call themselves equally
// fast, and a measurement on a busy machine does not change the placement at every start.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MappedFile } from '../../native/mapped-file.ts';
import { readBandwidth } from '../../native/read-probe.ts';
import { writeFileAtomically } from '../pack/write-file-atomically.ts';

/** Bytes per second at which `threads` threads read `files`; blocks for some tenths of a second at the first call. */
export async function cachedBandwidth(home: string, threads: number, files: readonly MappedFile[]): Promise<number> {
  const path = join(home, `read-bandwidth-${threads}.txt`);
  const stored = Number(await readFile(path, 'utf8').catch(() => ''));
  if (stored > 0) return stored;
  const measured = Math.round(readBandwidth(files, threads));
  await writeFileAtomically(path, (file) => file.writeFile(`${measured}\n`));
  return measured;
}

/** Speed of a node relative to another one, as a power of two: smaller differences are those of the measurement. */
export function relativeSpeed(bytesPerSecond: number, ofLeader: number): number {
  if (bytesPerSecond === 0 || ofLeader === 0) return 1;
  return 2 ** Math.round(Math.log2(bytesPerSecond / ofLeader));
}
