// Errors of the native addon. Workers translate them into DomainErrors at their edge.

/**
 * `invalid_argument`: an invalid length, id or offset; `closed`, `busy`: the call came at the wrong time; `io`: an operating
 * system error; `unavailable`: this machine lacks the GPU, or no member holds an expert; `device_lost`: the GPU failed, and a
 * new session is needed; `exchange`: the exchange Redis is unreachable or refuses; `interrupted`: a wait for other nodes ended.
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

/** Converts the addon's plain errors, which have a `code` property, into NativeErrors; any other error becomes `internal`. */
export function toNativeError(thrown: unknown): NativeError {
  if (thrown instanceof NativeError) return thrown;
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && CODES.has(thrown.code)) {
    return new NativeError(thrown.code as NativeErrorCode, thrown.message, { cause: thrown });
  }
  return new NativeError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

/** Runs a call and converts its error into a NativeError. */
export function refusing<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}
