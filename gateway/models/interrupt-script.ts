// Runs a function of ours for a limited time. Node interrupts only what runs in a context of its own, so the function is called
// from there; V8 stops it wherever it is, in a loop or in a regular expression.
import { createContext, Script } from 'node:vm';

const sandbox: { call: () => void } = { call: () => {} };
const context = createContext(sandbox);
const callIt = new Script('call()');

/** What `start` returns. Throws `tooSlow()` when it has not returned after `ms`; not for functions that await. */
export function interruptedAfter<Result>(ms: number, start: () => Result, tooSlow: () => Error): Result {
  let result: { readonly value: Result } | undefined;
  sandbox.call = () => {
    result = { value: start() };
  };
  try {
    callIt.runInContext(context, { timeout: ms });
  } catch (thrown) {
    throw isInterruption(thrown) ? tooSlow() : thrown;
  }
  if (result === undefined) throw new TypeError('The function was called without a result');
  return result.value;
}

/** Thrown in the other context, whose Error is not ours. */
function isInterruption(thrown: unknown): boolean {
  return (
    typeof thrown === 'object' && thrown !== null && Reflect.get(thrown, 'code') === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}
