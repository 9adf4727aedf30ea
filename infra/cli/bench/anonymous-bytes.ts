// Memory of this process that is no file: what it needs beside the mapped weights.
import { readFileSync } from 'node:fs';

/** Resident anonymous memory in bytes; null where the system does not tell (only Linux does). */
export function anonymousBytes(): number | null {
  if (process.platform !== 'linux') return null;
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
