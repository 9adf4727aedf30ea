// Where browsers and clients reach this gateway: a proxy in front may add TLS, another host, and a path that it strips.
import type { Config } from '../infra/config/config-schema.ts';

type PublicUrl = Pick<Config, 'publicUrl'>;

/** Converts a path of this gateway into the path that browsers request: `/admin` to `/llm/admin` with `publicUrl: https://host/llm`. */
export function publicPath({ publicUrl }: PublicUrl, path: string): string {
  if (publicUrl === undefined) return path;
  return new URL(publicUrl).pathname.replace(/\/+$/, '') + path;
}

/** The origin of our pages; without a configured address, that of the request itself. */
export function publicOrigin({ publicUrl }: PublicUrl, requestUrl: string): string {
  return new URL(publicUrl ?? requestUrl).origin;
}

/** Whether browsers reach us over TLS. */
export function isPublicTls({ publicUrl }: PublicUrl): boolean {
  return publicUrl?.startsWith('https:') ?? false;
}
