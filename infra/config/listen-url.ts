// The URL at which a gateway can be reached from its own machine. Pure.

/** Keys are canonical, as produced by URL: `::` can also be written `::0`. */
const REACHABLE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' };

/** `http://host:port`, with loopback instead of an unspecified address. */
export function listenUrl(host: string, port: number): string {
  const url = `http://${host.includes(':') ? `[${host}]` : host}`;
  // URL does not accept an address with a zone (fe80::1%eth0).
  const name = URL.canParse(url) ? new URL(url).hostname : url.slice('http://'.length);
  return `http://${REACHABLE[name] ?? name}:${port}`;
}
