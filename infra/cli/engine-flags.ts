export const BACKENDS = ['auto', 'cpu', 'metal', 'metal-emulated'] as const;

/** What every command that opens a model takes. */
export interface EngineFlags {
  readonly backend: (typeof BACKENDS)[number];
  readonly model: string;
  readonly home?: string;
  readonly threads?: number;
  readonly variant: string;
}
