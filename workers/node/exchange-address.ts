// Where the exchange is, for the native side. Pure.
import { parseRedisUrl } from '../../infra/redis/connect.ts';
import type { ExchangeAddress } from '../../native/group-member.ts';

/** Null for TLS, which the native side does not know. Throws `bad_config` for a bad URL. */
export function exchangeAddress(url: string): ExchangeAddress | null {
  const { path = '', host = '', port = 0, username = '', password = '', db, tls } = parseRedisUrl(url, 'EXCHANGE_URL');
  return tls === undefined ? { path, host, port, username, password, db } : null;
}
