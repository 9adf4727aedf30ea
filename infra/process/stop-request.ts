// Stop signals from a user or a service manager: the first one shuts down gracefully, a later one immediately.

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** npm forwards a terminal's Ctrl-C, so that it can arrive twice: a second signal within this time is the same request. */
const ECHO_MS = 1_000;

/**
 * Aborted by the first stop signal, whose name is the reason. One second later the default handlers apply again, so that another
 * signal ends the process immediately.
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

/** Exits through `request`'s signal, so that shells and service managers see a stopped process rather than a failed one. */
export function exitBySignal({ reason }: AbortSignal): void {
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  process.kill(process.pid, reason);
}

function ignoreSignals(ask: (signal: NodeJS.Signals) => void): void {
  for (const signal of SIGNALS) process.off(signal, ask);
}
