// What a running `npm start` says about itself in <home>/ready.json: for commands that talk to it without being told where.
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
