// How a person or a service manager asks a process to stop, and to stop now.

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** A terminal's Ctrl-C may come a second time through npm, which passes it on: within so long it is the same request. */
const ECHO_MS = 1_000;

/**
 * Aborted by the first signal that asks this process to stop; the reason is its name. A second after that, signals have their
 * usual effect again: whoever does not want to wait ends the process with another one.
 */
export function stopRequest(): AbortSignal {
  const asked = new AbortController();
  const ask = (signal: NodeJS.Signals): void => {
    asked.abort(signal);
    setTimeout(() => ignoreSignals(ask), ECHO_MS).unref();
  };
  for (const signal of SIGNALS) process.on(signal, ask);
  return asked.signal;
}

/** Ends this process as `request`'s signal would have: shells and service managers see that it was stopped, and did not fail. */
export function exitBySignal({ reason }: AbortSignal): void {
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  process.kill(process.pid, reason);
}

function ignoreSignals(ask: (signal: NodeJS.Signals) => void): void {
  for (const signal of SIGNALS) process.off(signal, ask);
}
