// Administration of keys and tenants from the command line: through the admin API of a running gateway, or directly in Redis.
// Only the latter can create the first key of a system.
import { readConfig } from '../../config/read-config.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { homeFolder } from '../home-folder.ts';
import { readReadyFile } from '../read-ready-file.ts';
import type { Administrator } from './administrator.ts';
import { httpAdministrator } from './http-administrator.ts';
import { redisAdministrator } from './redis-administrator.ts';

/** Options of every administration command: the system to administer. */
export interface AdministratorOptions {
  readonly url?: string;
  readonly key?: string;
  readonly home?: string;
  readonly config?: string;
}

/**
 * Uses `--url` and `--key`, or else Redis if REDIS_URL or the configuration names it, or else the gateway that runs in the home
 * folder. Throws DomainError `bad_config` if none of them applies.
 */
export function openAdministrator(options: AdministratorOptions): Administrator {
  const { url, key, home, config: file } = options;
  if (url !== undefined && key !== undefined) return httpAdministrator(url, key);
  const config = readConfig({ ...(home !== undefined && { home }), ...(file !== undefined && { config: file }) });
  if (url === undefined && config.redisUrl !== undefined) return redisAdministrator(config, config.redisUrl);
  const ready = readReadyFile(homeFolder(home, process.env));
  if (ready !== undefined) return httpAdministrator(url ?? ready.url, key ?? ready.adminKey);
  const remedy = 'Give --url and --key, set REDIS_URL, or run `npm start` in this folder (see --home).';
  throw new DomainError('bad_config', `There is no system to administer. ${remedy}`);
}
