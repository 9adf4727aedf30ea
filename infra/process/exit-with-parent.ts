/**
 * Ends this process as soon as the one that forked it is gone, however that ended. At once, because nobody would start again
 * what dies now, and nothing here is the only copy of anything. Does nothing where there is no channel to a parent.
 */
export function exitWithParent(): void {
  const end = (): never => process.exit(1);
  // False: the parent was gone before anybody listened. Undefined without a channel.
  if (process.connected === false) end();
  process.once('disconnect', end);
}
