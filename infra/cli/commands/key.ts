// `conclave key …`: the options of its subcommands. What they do is in key-run.ts.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SCOPES } from '../../tenants/scope.ts';
import { withAdministratorOptions } from '../administration/administrator-options.ts';
import type { KeyCreateOptions, KeyListOptions, KeyRevokeOptions } from './key-run.ts';

export function addKeyCommand(program: Command): void {
  const key = program.command('key').description('make, list and revoke API keys');
  withAdministratorOptions(key.command('create'))
    .description('make a key; it is shown once')
    .requiredOption('--tenant <id>', 'whose key it is; the tenant must exist')
    .option('--name <text>', 'what it is for', '')
    .addOption(new Option('--scopes <scopes...>', 'what it allows').choices(SCOPES).default(['chat']))
    .option('--expires-days <days>', 'days until it expires (default: never)', parseDays)
    .addHelpText('after', '\nExample:\n  conclave key create --tenant acme --scopes chat --expires-days 90')
    .action(async (options: KeyCreateOptions) => {
      const { keyCreateCommand } = await import('./key-run.ts');
      await keyCreateCommand(options, Date.now());
    });
  withAdministratorOptions(key.command('list'))
    .description('all keys, without their secrets')
    .option('--tenant <id>', 'only those of one tenant')
    .action(async (options: KeyListOptions) => {
      const { keyListCommand } = await import('./key-run.ts');
      await keyListCommand(options, Date.now());
    });
  withAdministratorOptions(key.command('revoke'))
    .description('revoke a key; the next request with it is refused')
    .argument('<prefix>', 'the twelve characters after cvk_')
    .action(async (prefix: string, options: KeyRevokeOptions) => {
      const { keyRevokeCommand } = await import('./key-run.ts');
      await keyRevokeCommand(prefix, options);
    });
}

function parseDays(text: string): number {
  const days = Number(text);
  if (text.trim() === '' || !(days > 0 && days <= 36_500)) throw new InvalidArgumentError('Expected a number of days.');
  return days;
}
