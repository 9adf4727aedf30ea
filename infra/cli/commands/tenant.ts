// `conclave tenant …`: the options of its subcommands. What they do is in tenant-run.ts.
import { type Command, InvalidArgumentError } from 'commander';
import { MAX_WEIGHT, MIN_WEIGHT, WEIGHT_RANGE } from '../../redis/fair-limits.ts';
import { withAdministratorOptions } from '../administration/administrator-options.ts';
import { parseNonNegativeInteger, parsePositiveInteger } from '../parse-option.ts';
import type { TenantListOptions, TenantPolicyOptions } from './tenant-run.ts';

export function addTenantCommand(program: Command): void {
  const tenant = program.command('tenant').description('make, list and change tenants');
  withPolicyOptions(tenant.command('create'))
    .description('make a tenant; what is not given follows the configuration')
    .addHelpText('after', '\nExample:\n  conclave tenant create acme --weight 2 --max-waiting 100')
    .action(async (id: string, options: TenantPolicyOptions) => {
      const { tenantCreateCommand } = await import('./tenant-run.ts');
      await tenantCreateCommand(id, options);
    });
  withPolicyOptions(tenant.command('set'))
    .description('change what rules a tenant')
    .action(async (id: string, options: TenantPolicyOptions) => {
      const { tenantSetCommand } = await import('./tenant-run.ts');
      await tenantSetCommand(id, options);
    });
  withAdministratorOptions(tenant.command('list'))
    .description('tenants with a record')
    .action(async (options: TenantListOptions) => {
      const { tenantListCommand } = await import('./tenant-run.ts');
      await tenantListCommand(options);
    });
}

function withPolicyOptions(command: Command): Command {
  return withAdministratorOptions(command)
    .argument('<id>', 'the tenant; <issuer>/<claim> for one that a JWT issuer names')
    .option('--weight <number>', 'share relative to other tenants', parseWeight)
    .option('--max-waiting <count>', 'requests that may wait at once', parsePositiveInteger)
    .option('--requests-per-minute <count>', '0 sets no limit', parseNonNegativeInteger)
    .option('--models <ids...>', 'the models it may use; "*" for all')
    .option('--block', 'serve it nothing')
    .option('--no-block', 'serve it again');
}

function parseWeight(text: string): number {
  const weight = Number(text);
  if (text.trim() === '' || !(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT)) {
    throw new InvalidArgumentError(`Expected ${WEIGHT_RANGE}.`);
  }
  return weight;
}
