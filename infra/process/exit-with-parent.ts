/**
 * Exits as soon as the parent process is gone, even if it was killed. Exits immediately, because no supervisor remains and this
 * process holds no state that is not in Redis. Does nothing without an IPC channel to a parent.
 */
export function exitWithParent(): void {
  const end = (): never => process.exit(1);
  // False if the parent exited before this listener was added; undefined without a channel.
  if (process.connected === false) end();
  process.once('disconnect', end);
}
