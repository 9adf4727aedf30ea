// Reads <home>/ready.json, in which a running `npm start` publishes its address and keys for other commands.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReadyFile } from './supervise/run-cluster.ts';

/** The file of this home; undefined when nothing runs there. */
export function readReadyFile(home: string): ReadyFile | undefined {
  try {
    return JSON.parse(readFileSync(join(home, 'ready.json'), 'utf8')) as ReadyFile;
  } catch {
    // Missing is the usual case; half a file is as good as none.
    return undefined;
  }
}
