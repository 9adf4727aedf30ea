// Checks whether Redis accepts writes. A server can answer PING and still refuse every write: out of memory, disk full, or
// demoted to a replica. In: a connection. Out: the reason as a sentence that is safe for clients, or null.
import type { Redis } from 'ioredis';
import { singleKeys } from './keys.ts';

/** Timeout of the probe in ms. Health checks poll more often than requests time out. */
const PATIENCE_MS = 1_000;
/** How long a success is cached, so that health checks do not fill the append-only file. */
const FRESH_MS = 1_000;
const PROBE_TTL_MS = 10_000;

const NO_ANSWER = 'Redis does not answer.';

/** By the first word of the error. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['OOM', 'Redis has reached its maxmemory and accepts no writes.'],
  ['READONLY', 'Redis is a read-only replica and accepts no writes.'],
  ['NOREPLICAS', 'Redis has fewer replicas than its min-replicas-to-write and accepts no writes.'],
  ['LOADING', 'Redis is loading its data.'],
  ['BUSY', 'Redis is busy with a script.'],
  ['NOAUTH', 'Redis refuses the credentials of this gateway.'],
  ['WRONGPASS', 'Redis refuses the credentials of this gateway.'],
  ['NOPERM', 'The Redis user of this gateway has no permission to write.'],
]);

/** A probe that writes a key with an expiry, at most once a second. */
export function createWriteProbe(redis: Redis): () => Promise<string | null> {
  let writtenAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<string | null> | undefined;
  const ask = async () => {
    const reason = await probe(redis);
    if (reason === null) writtenAtMs = performance.now();
    running = undefined;
    return reason;
  };
  return async () => {
    if (performance.now() - writtenAtMs < FRESH_MS) return null;
    running ??= ask();
    return running;
  };
}

async function probe(redis: Redis): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(NO_ANSWER), PATIENCE_MS);
  });
  const written = redis.set(singleKeys.probe, '1', 'PX', PROBE_TTL_MS).then(() => null, describeRefusal);
  const answer = await Promise.race([written, late]);
  clearTimeout(timer);
  return answer;
}

/** Why a write was refused, derived from the error. */
export function describeRefusal(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : '';
  const [word = ''] = message.split(' ', 1);
  if (word !== 'MISCONF') return REASONS.get(word) ?? NO_ANSWER;
  const failure = /AOF file: (.{1,100}?)\.?$/.exec(message)?.[1];
  return failure === undefined
    ? 'Redis could not save its snapshot and accepts no writes. Its log has the reason.'
    : `Redis cannot write its append-only file (${failure}) and accepts no writes.`;
}
