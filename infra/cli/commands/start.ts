// `conclave start`, which is what `npm start` runs.
import { type Command, InvalidArgumentError } from 'commander';
import { parsePositiveInteger } from '../parse-option.ts';
import type { StartOptions } from './start-run.ts';

export function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('serve a model on this machine: starts Redis, gateway and workers')
    .option('--port <port>', 'port of the gateway; 0 picks a free one (default: 8080)', parsePort)
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--nodes <count>', 'number of nodes that share the model (default: 1)', parsePositiveInteger)
    .option(
      '--model <folder>',
      'folder of a checkpoint or of packs, or a name on a hub such as Qwen/Qwen3-30B-A3B (default: the demo model)',
    )
    .option('--served-model-name <name>', "model name that clients use (default: the name of the model's folder)")
    .option('--home <folder>', 'folder of keys, packs, queues and logs (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration file (default: conclave.yaml, if it exists)')
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
