// How the native side reaches exchanges. In: their URLs. Out: addresses to connect to, for TLS that of a tunnel's socket; a tunnel
// is opened once for each URL and lives until all are closed.
import { parseRedisUrl, type RedisTarget } from '../../infra/redis/connect.ts';
import type { ExchangeAddress } from '../../native/group-member.ts';
import { TlsTunnel } from './tls-tunnel.ts';

export class ExchangeRoutes {
  readonly #tunnels = new Map<string, Promise<TlsTunnel>>();

  /** Throws `bad_config` for a bad URL; rejects when a tunnel cannot be opened. */
  async addressOf(url: string): Promise<ExchangeAddress> {
    const target = parseRedisUrl(url, 'EXCHANGE_URL');
    const { path = '', host = '', port = 0, username = '', password = '', db, tls } = target;
    if (tls === undefined) return { path, host, port, username, password, db };
    const tunnel = await this.#tunnelTo(url, target);
    return { path: tunnel.path, host: '', port: 0, username, password, db };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#tunnels.values()].map(async (opening) => (await opening).close()));
  }

  async #tunnelTo(url: string, { host = '', port = 0 }: RedisTarget): Promise<TlsTunnel> {
    const opening = this.#tunnels.get(url) ?? TlsTunnel.open(host, port);
    this.#tunnels.set(url, opening);
    try {
      return await opening;
    } catch (thrown) {
      this.#tunnels.delete(url);
      throw thrown;
    }
  }
}
