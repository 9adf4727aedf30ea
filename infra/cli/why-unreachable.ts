// Why a connection to another machine of the local network failed, for people. In: the system's words. Out: those, and the remedy.

/**
 * `reason` is an error of `connect`. From macOS 15 on the system answers EHOSTUNREACH for machines that are there, until the
 * user has let the program use the local network.
 */
export function whyUnreachable(reason: string, platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'darwin' || !reason.includes('EHOSTUNREACH')) return reason;
  return (
    `${reason}: macOS may not let this program use the local network; allow it in System Settings, Privacy & Security, ` +
    'Local Network, or start it from Terminal or as a launchd daemon, which are exempt'
  );
}
