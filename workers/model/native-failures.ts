// What the native side refuses or loses, as errors for people. The native side's words name the option or file at fault.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { NativeError } from '../../native/native-error.ts';

/** For opening a model and attaching its packs; what is no NativeError stays as it is. */
export function refusedByNative(thrown: unknown): unknown {
  if (!(thrown instanceof NativeError)) return thrown;
  return new DomainError('bad_config', `The model cannot be opened: ${thrown.message}.`, { cause: thrown });
}

/** For a session that computes no more. */
export function deviceLost(reason: unknown): DomainError {
  const message = reason instanceof Error ? reason.message : String(reason);
  return new DomainError('native_error', `This node can no longer compute: ${message}.`, {
    cause: reason,
  });
}
