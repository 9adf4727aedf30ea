// Which weights a pack was made from: SHA-256 over config.json and the files of the checkpoint. Hashing reads every byte,
// so each file's hash is remembered under its path, size and times; a file that did not change is not read again.
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { countBytes, type OnProgress } from './progress.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const BLOCK_BYTES = 8 * 1024 * 1024;

// A changed file whose modification time was set back (rsync, tar) still has a new change time.
const rememberedSchema = z.object({ size: z.string(), mtimeNs: z.string(), ctimeNs: z.string(), sha256: z.string() });
const memoSchema = z.record(z.string(), rememberedSchema);
type Remembered = z.infer<typeof rememberedSchema>;
type Memo = Record<string, Remembered>;

/**
 * The source hash of `files`, hex. `memoPath` is where hashes of unchanged files are remembered. Throws DomainError
 * `bad_checkpoint` when a file cannot be read or changes meanwhile.
 */
export async function hashSource(files: readonly string[], memoPath: string, onProgress: OnProgress): Promise<string> {
  const memo = await readMemo(memoPath);
  const states = await Promise.all(files.map(readState));
  const unknown = states.filter((state) => !isRemembered(memo, state));
  const advance = countBytes(
    unknown.reduce((sum, { stats }) => sum + Number(stats.size), 0),
    onProgress,
  );
  for (const state of unknown) {
    const sha256 = await hashFile(state, (bytes) => advance(`Hashing ${basename(state.path)}`, bytes));
    memo[state.realPath] = { ...fingerprint(state.stats), sha256 };
  }
  if (unknown.length > 0) await writeMemo(memoPath, memo);
  return combine(states.map((state) => ({ name: basename(state.path), sha256: memo[state.realPath]?.sha256 ?? '' })));
}

interface FileState {
  readonly path: string;
  readonly realPath: string;
  readonly stats: BigIntStats;
}

async function readState(path: string): Promise<FileState> {
  try {
    const realPath = await realpath(path);
    return { path, realPath, stats: await stat(realPath, { bigint: true }) };
  } catch (cause) {
    throw new DomainError('bad_checkpoint', `${path} cannot be read`, { param: path, cause });
  }
}

function fingerprint(stats: BigIntStats): Omit<Remembered, 'sha256'> {
  return { size: String(stats.size), mtimeNs: String(stats.mtimeNs), ctimeNs: String(stats.ctimeNs) };
}

function isRemembered(memo: Memo, { realPath, stats }: FileState): boolean {
  const remembered = memo[realPath];
  return remembered !== undefined && isSameState(remembered, fingerprint(stats));
}

function isSameState(a: Omit<Remembered, 'sha256'>, b: Omit<Remembered, 'sha256'>): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

async function hashFile(state: FileState, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(state.realPath, 'r');
  try {
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    for (let read = await file.read(block); read.bytesRead > 0; read = await file.read(block)) {
      hash.update(block.subarray(0, read.bytesRead));
      onBytes(read.bytesRead);
    }
    if (!isSameState(fingerprint(await file.stat({ bigint: true })), fingerprint(state.stats))) {
      throw new DomainError('bad_checkpoint', `${state.path} changed while it was read`, { param: state.path });
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

function combine(files: readonly { name: string; sha256: string }[]): string {
  const lines = files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}

async function readMemo(path: string): Promise<Memo> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return memoSchema.parse(value);
  } catch {
    // Absent, or of another version: what it would have saved is done again.
    return {};
  }
}

async function writeMemo(path: string, memo: Memo): Promise<void> {
  await writeFileAtomically(path, async (file) => {
    await file.writeFile(JSON.stringify(memo, null, 1));
  });
}
