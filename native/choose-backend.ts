// Which backends may compute, in order of preference, and what happens when the preferred one cannot be opened.

/** Where a session computes; `metal-emulated` runs the GPU's kernels on this CPU, slowly and checked, for tests. */
export type Backend = 'cpu' | 'metal' | 'metal-emulated';

/** The backends to try, best first. Only `auto` names more than one: a GPU that was asked for by name is not replaced. */
export function backendsFor(requested: Backend | 'auto', platform: string, arch: string): readonly Backend[] {
  if (requested !== 'auto') return [requested];
  return platform === 'darwin' && arch === 'arm64' ? ['metal', 'cpu'] : ['cpu'];
}

/** What `open` gives for the first backend that opens; `warn` is told of those that do not. Throws the last one's error. */
export function openFirst<T>(
  backends: readonly Backend[],
  open: (backend: Backend) => T,
  warn: (message: string) => void,
): T {
  const [backend = 'cpu', ...others] = backends;
  if (others.length === 0) return open(backend);
  try {
    return open(backend);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    warn(`Backend ${backend} cannot be used (${reason}); computing with ${others[0]}.`);
    return openFirst(others, open, warn);
  }
}
