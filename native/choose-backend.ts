// Which backends may compute, in order of preference.

/** Where a session computes; `metal-emulated` runs the GPU's kernels on this CPU, slowly and checked, for tests. */
export type Backend = 'cpu' | 'metal' | 'metal-emulated';

/** The backends to try, best first. Only `auto` names more than one: a GPU that was asked for by name is not replaced. */
export function backendsFor(requested: Backend | 'auto', platform: string, arch: string): readonly Backend[] {
  if (requested !== 'auto') return [requested];
  return platform === 'darwin' && arch === 'arm64' ? ['metal', 'cpu'] : ['cpu'];
}
