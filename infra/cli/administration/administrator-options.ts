// The options by which a command finds what it administers.
import type { Command } from 'commander';

/** Adds them to a command. */
export function withAdministratorOptions(command: Command): Command {
  return command
    .option('--url <url>', 'a gateway (default: REDIS_URL, or what runs in the home folder)')
    .option('--key <key>', 'an API key with admin scopes, for --url')
    .option('--home <folder>', 'where keys are kept (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration (default: conclave.yaml, if there is one)')
    .option('--json', 'print JSON');
}
