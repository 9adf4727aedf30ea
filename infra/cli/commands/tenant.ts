// Options of `conclave tenant …`, which tenant-run.ts implements.
import { type Command, InvalidArgumentError } from 'commander';
import { MAX_WEIGHT, MIN_WEIGHT, WEIGHT_RANGE } from '../../redis/fair-limits.ts';
import { withAdministratorOptions } from '../administration/administrator-options.ts';
import { parseNonNegativeInteger, parsePositiveInteger } from '../parse-option.ts';
import type { TenantListOptions, TenantPolicyOptions } from './tenant-run.ts';

export function addTenantCommand(program: Command): void {
  const tenant = program.command('tenant').description('create, list and change tenants');
  withPolicyOptions(tenant.command('create'))
    .description('create a tenant; unset options follow the configuration')
    .addHelpText('after', '\nExample:\n  conclave tenant create acme --weight 2 --max-waiting 100')
    .action(async (id: string, options: TenantPolicyOptions) => {
      const { tenantCreateCommand } = await import('./tenant-run.ts');
      await tenantCreateCommand(id, options);
    });
  withPolicyOptions(tenant.command('set'))
    .description('change the settings of a tenant')
    .action(async (id: string, options: TenantPolicyOptions) => {
      const { tenantSetCommand } = await import('./tenant-run.ts');
      await tenantSetCommand(id, options);
    });
  withAdministratorOptions(tenant.command('list'))
    .description('list tenants with a record')
    .action(async (options: TenantListOptions) => {
      const { tenantListCommand } = await import('./tenant-run.ts');
      await tenantListCommand(options);
    });
}

function withPolicyOptions(command: Command): Command {
  return withAdministratorOptions(command)
    .argument('<id>', 'tenant id; <issuer>/<claim> for a tenant of a JWT issuer')
    .option('--weight <number>', 'share of tokens relative to other tenants', parseWeight)
    .option('--max-waiting <count>', 'maximum number of waiting requests', parsePositiveInteger)
    .option('--requests-per-minute <count>', 'rate limit; 0 disables it', parseNonNegativeInteger)
    .option('--models <ids...>', 'models that the tenant may use; "*" for all')
    .option('--block', 'refuse all credentials of the tenant and cancel its requests')
    .option('--no-block', 'accept its credentials again');
}

function parseWeight(text: string): number {
  const weight = Number(text);
  if (text.trim() === '' || !(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT)) {
    throw new InvalidArgumentError(`Expected ${WEIGHT_RANGE}.`);
  }
  return weight;
}
