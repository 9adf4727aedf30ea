// Where a gateway that listens on a host and port is reached from its own machine. Pure.

/** Written in any way: `::` is also `::0`. What URL makes of an address is its canonical form. */
const REACHABLE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' };

/** `http://host:port`, with loopback in place of an address that stands for all of them. */
export function listenUrl(host: string, port: number): string {
  const url = `http://${host.includes(':') ? `[${host}]` : host}`;
  // An address with a zone (fe80::1%eth0) is none in a URL.
  const name = URL.canParse(url) ? new URL(url).hostname : url.slice('http://'.length);
  return `http://${REACHABLE[name] ?? name}:${port}`;
}
