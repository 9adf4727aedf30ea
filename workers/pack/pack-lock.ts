// One builder per pack folder: others wait for it instead of doing the same work. Correctness does not rest on the lock,
// packs appear by rename; it only saves the second build. The owner touches the lock's file while it lives; an owner that
// is gone, or silent for STALE_MS, loses it.
import { randomUUID } from 'node:crypto';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const LOCK_FILE = 'build.lock';
const STALE_MS = 30_000;
const HEARTBEAT_MS = 5_000;
const POLL_MS = 200;
const CLAIM_POLL_MS = 10;

const ownerSchema = z.object({ pid: z.number(), host: z.string(), token: z.string() });
export type LockOwner = z.infer<typeof ownerSchema>;

interface SeenLock {
  readonly text: string;
  readonly owner: LockOwner | undefined;
  readonly touchedMs: number;
}

/** Waits until this process owns the folder's lock, calling `onWait` once if another does; resolves with its release. */
export async function acquirePackLock(
  folder: string,
  onWait: (owner: LockOwner) => void,
): Promise<() => Promise<void>> {
  const path = join(folder, LOCK_FILE);
  const own: LockOwner = { pid: process.pid, host: hostname(), token: randomUUID() };
  const silence = watchSilence();
  let told = false;
  while (!(await tryCreate(path, own))) {
    const seen = await readLock(path);
    if (seen === undefined) continue;
    if (isDead(seen.owner) || silence(seen.touchedMs) > STALE_MS) {
      await removeStale(path, seen, own);
      continue;
    }
    if (!told && seen.owner !== undefined) onWait(seen.owner);
    told ||= seen.owner !== undefined;
    await delay(POLL_MS);
  }
  return keepLock(path, own);
}

async function tryCreate(path: string, own: LockOwner): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify(own)).finally(() => file.close());
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false;
    throw thrown;
  }
}

function keepLock(path: string, own: LockOwner): () => Promise<void> {
  // A failed touch means that the lock was taken over: nothing to do, see above.
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    if ((await readLock(path))?.owner?.token === own.token) await rm(path, { force: true });
  };
}

async function readLock(path: string): Promise<SeenLock | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    return { text, owner: parseOwner(text), touchedMs: mtimeMs };
  } catch {
    // Released since.
    return undefined;
  }
}

/** undefined while the owner is still writing it. */
function parseOwner(text: string): LockOwner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function isDead(owner: LockOwner | undefined): boolean {
  if (owner === undefined || owner.host !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH';
  }
}

/** Milliseconds since the file's time was last seen to change: own clock only, the file may be another machine's. */
function watchSilence(): (touchedMs: number) => number {
  let last: { touchedMs: number; seenMs: number } | undefined;
  return (touchedMs) => {
    const now = performance.now();
    if (last?.touchedMs !== touchedMs) last = { touchedMs, seenMs: now };
    return now - last.seenMs;
  };
}

/**
 * Removes the lock of a dead owner. One waiter at a time may do so: otherwise the slower of two would remove the lock that
 * the faster one has just made.
 */
async function removeStale(path: string, stale: SeenLock, own: LockOwner): Promise<void> {
  const claim = `${path}.takeover`;
  if (!(await tryCreate(claim, own))) {
    await forgetOldClaim(claim);
    await delay(CLAIM_POLL_MS);
    return;
  }
  try {
    if ((await readLock(path))?.text === stale.text) await rm(path, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
}

/** A waiter that died between the two lines above leaves its claim behind. */
async function forgetOldClaim(claim: string): Promise<void> {
  const claimed = await readLock(claim);
  if (claimed !== undefined && Date.now() - claimed.touchedMs > STALE_MS) await rm(claim, { force: true });
}
