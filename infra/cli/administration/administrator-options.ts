// The options that select the system to administer.
import type { Command } from 'commander';

/** Adds them to a command. */
export function withAdministratorOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'gateway to administer (default: Redis at $REDIS_URL, or the gateway that runs in the home folder)',
    )
    .option('--key <key>', 'API key with admin scopes, for --url')
    .option('--home <folder>', 'folder of keys (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration file (default: conclave.yaml, if it exists)')
    .option('--json', 'print JSON');
}
