// Keys and tenants for the command line, by one of two ways: over the admin API of a running gateway, or straight in Redis
// for who operates it. The second makes the first key of a system.
import { readConfig } from '../../config/read-config.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { homeFolder } from '../home-folder.ts';
import { readReadyFile } from '../read-ready-file.ts';
import type { Administrator } from './administrator.ts';
import { httpAdministrator } from './http-administrator.ts';
import { redisAdministrator } from './redis-administrator.ts';

/** Where to administer; every command of this kind takes these options. */
export interface AdministratorOptions {
  readonly url?: string;
  readonly key?: string;
  readonly home?: string;
  readonly config?: string;
}

/**
 * Opens the way that applies: `--url` and `--key`, else Redis when REDIS_URL or the configuration names it, else the gateway
 * that runs in the home folder. Throws DomainError `bad_config` when there is none.
 */
export function openAdministrator(options: AdministratorOptions): Administrator {
  const { url, key, home, config: file } = options;
  if (url !== undefined && key !== undefined) return httpAdministrator(url, key);
  const config = readConfig({ ...(home !== undefined && { home }), ...(file !== undefined && { config: file }) });
  if (url === undefined && config.redisUrl !== undefined) return redisAdministrator(config, config.redisUrl);
  const ready = readReadyFile(homeFolder(home, process.env));
  if (ready !== undefined) return httpAdministrator(url ?? ready.url, key ?? ready.adminKey);
  const expected = 'Expected --url and --key, or REDIS_URL, or a running `npm start` in this folder (see --home).';
  throw new DomainError('bad_config', `There is nothing to administer here. ${expected}`);
}
