// `conclave start`, which is what `npm start` runs.
import { type Command, InvalidArgumentError } from 'commander';
import { parsePositiveInteger } from '../parse-option.ts';
import type { StartOptions } from './start-run.ts';

export function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('serve a model on this machine: Redis, gateway and workers')
    .option('--port <port>', 'where the gateway listens; 0 takes a free one (default: 8080)', parsePort)
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--nodes <count>', 'nodes that share the model (default: 1)', parsePositiveInteger)
    .option('--model <folder>', 'a checkpoint or a folder of packs (default: the demo model)')
    .option('--served-model-name <name>', "the name that clients use (default: that of the model's folder)")
    .option('--home <folder>', 'where keys, packs, queues and logs are kept (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration (default: conclave.yaml, if there is one)')
    .addHelpText('after', '\nExample:\n  npm start -- --model ./dbrx-instruct --port 9000')
    .action(async (options: StartOptions) => {
      const { startCommand } = await import('./start-run.ts');
      await startCommand(options);
    });
}

function parsePort(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError('Expected a port from 0 to 65535.');
  }
  return value;
}
