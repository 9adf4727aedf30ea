// Entry point of the gateway process: configuration, start, signals. `npm start` and deployments run it with `--config FILE`.
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config/read-config.ts';
import { DomainError } from '../infra/errors/domain-error.ts';
import { createLogger } from '../infra/log/logger.ts';
import { exitWithParent } from '../infra/process/exit-with-parent.ts';
import { startGateway } from './start-gateway.ts';

async function main(): Promise<void> {
  exitWithParent();
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  const config = readConfig(values.config === undefined ? {} : { config: values.config });
  const log = createLogger('gateway', config.logLevel);
  const gateway = await startGateway(config, log);
  let leaving = false;
  const leave = (signal: NodeJS.Signals) => {
    if (leaving) return;
    leaving = true;
    log.info({ signal }, 'shutting down');
    gateway.close().then(() => process.exit(0), fail);
  };
  // Not once(): the signal can arrive twice, from a service manager that signals every process and then from the parent.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, leave);
  await gateway.connected;
}

/** A person reads the last line, so an expected failure is one sentence. */
function fail(error: unknown): never {
  console.error(error instanceof DomainError ? error.message : error);
  process.exit(1);
}

main().catch(fail);
