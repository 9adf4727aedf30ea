// Options of `conclave key …`, which key-run.ts implements.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SCOPES } from '../../tenants/scope.ts';
import { withAdministratorOptions } from '../administration/administrator-options.ts';
import type { KeyCreateOptions, KeyListOptions, KeyRevokeOptions } from './key-run.ts';

export function addKeyCommand(program: Command): void {
  const key = program.command('key').description('create, list and revoke API keys');
  withAdministratorOptions(key.command('create'))
    .description('create a key, which is shown only once')
    .requiredOption('--tenant <id>', 'tenant that owns the key; it must exist')
    .option('--name <text>', 'label, such as the owner or the purpose', '')
    .addOption(new Option('--scopes <scopes...>', 'scopes of the key').choices(SCOPES).default(['chat']))
    .option('--expires-days <days>', 'days until it expires (default: never)', parseDays)
    .addHelpText('after', '\nExample:\n  conclave key create --tenant acme --scopes chat --expires-days 90')
    .action(async (options: KeyCreateOptions) => {
      const { keyCreateCommand } = await import('./key-run.ts');
      await keyCreateCommand(options, Date.now());
    });
  withAdministratorOptions(key.command('list'))
    .description('list keys, without their secrets')
    .option('--tenant <id>', 'only keys of this tenant')
    .action(async (options: KeyListOptions) => {
      const { keyListCommand } = await import('./key-run.ts');
      await keyListCommand(options, Date.now());
    });
  withAdministratorOptions(key.command('revoke'))
    .description('revoke a key with immediate effect')
    .argument('<prefix>', 'the key without secret: the twelve characters after cvk_')
    .action(async (prefix: string, options: KeyRevokeOptions) => {
      const { keyRevokeCommand } = await import('./key-run.ts');
      await keyRevokeCommand(prefix, options);
    });
}

function parseDays(text: string): number {
  const days = Number(text);
  if (text.trim() === '' || !(days > 0 && days <= 36_500))
    throw new InvalidArgumentError('Expected a number of days from more than 0 to 36500.');
  return days;
}
