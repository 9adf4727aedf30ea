// The addon's failures as one error class; workers translate it into a DomainError at their edge.

/**
 * `invalid_argument`: a length, id or offset the addon refuses; `closed`, `busy`: wrong time; `io`: the operating system;
 * `unavailable`: this machine has no such GPU, or nobody holds an expert; `device_lost`: the GPU gave up, and only a new
 * session helps; `exchange`: the Redis between the nodes is away or refuses; `interrupted`: a wait for other nodes was ended.
 */
export type NativeErrorCode =
  | 'invalid_argument'
  | 'closed'
  | 'busy'
  | 'io'
  | 'out_of_memory'
  | 'unavailable'
  | 'device_lost'
  | 'exchange'
  | 'interrupted'
  | 'internal';

const CODES: ReadonlySet<string> = new Set([
  'invalid_argument',
  'closed',
  'busy',
  'io',
  'out_of_memory',
  'unavailable',
  'device_lost',
  'exchange',
  'interrupted',
  'internal',
] satisfies NativeErrorCode[]);

export class NativeError extends Error {
  readonly code: NativeErrorCode;

  constructor(code: NativeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NativeError';
    this.code = code;
  }
}

/** The addon throws plain errors with a `code` property: this is where they become NativeErrors. */
export function toNativeError(thrown: unknown): NativeError {
  if (thrown instanceof NativeError) return thrown;
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && CODES.has(thrown.code)) {
    return new NativeError(thrown.code as NativeErrorCode, thrown.message, { cause: thrown });
  }
  return new NativeError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

/** What the call returns; what it throws becomes a NativeError. */
export function refusing<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}
