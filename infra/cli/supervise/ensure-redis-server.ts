// Makes sure that there is a redis-server to run: found, or installed with the system's package manager after saying so.
import { spawnSync } from 'node:child_process';
import { findRedisServer, noRedisServer } from '../../redis/find-redis-server.ts';

/** How each package manager installs it; the first that exists is used. */
const INSTALLERS: readonly (readonly string[])[] =
  process.platform === 'darwin'
    ? [['brew', 'install', 'redis']]
    : [['apt-get', 'install', '-y', '-qq', 'redis-server']];

/** Throws DomainError `unavailable` with the command to run when there is no server and none can be installed. */
export function ensureRedisServer(say: (line: string) => void): void {
  if (findRedisServer() !== null) return;
  for (const command of INSTALLERS.map(withPrivileges)) {
    if (command === null) continue;
    say(`redis-server not found. Installing it: ${command.join(' ')}`);
    if (runs(command) && findRedisServer() !== null) return;
  }
  throw noRedisServer();
}

function runs([program = '', ...args]: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}

/** apt-get needs root; sudo is used only if it needs no password. Null if the command cannot be run. */
function withPrivileges(command: readonly string[]): readonly string[] | null {
  const [program = ''] = command;
  if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined) return null;
  if (program !== 'apt-get' || process.getuid?.() === 0) return command;
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n', ...command] : null;
}
