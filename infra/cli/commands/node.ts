// Options of `conclave node`, which node-run.ts implements.
import type { Command } from 'commander';
import { parsePositiveInteger } from '../parse-option.ts';
import type { NodeOptions } from './node-run.ts';

export function addNodeCommand(program: Command): void {
  program
    .command('node')
    .description('join a group of nodes that serve a model together')
    .option('--join <url>', 'Redis URL of the group; on a command line all users of the machine can see it')
    .option('--join-file <file>', 'file with that URL (default: $CONCLAVE_JOIN, $REDIS_URL or conclave.yaml)')
    .option('--group <name>', 'name of the group (default: main)')
    .option(
      '--model <folder>',
      'folder of a checkpoint or of packs, or a name on a hub (default: fetched from the nodes of the group)',
    )
    .option('--served-model-name <name>', "model name that clients use (default: the name of the model's folder)")
    .option('--node <id>', 'id of this node (default: host name and process id)')
    .option('--threads <count>', 'compute threads (default: one per core)', parsePositiveInteger)
    .option('--home <folder>', 'folder in which packs are stored (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration file (default: conclave.yaml, if it exists)')
    .addHelpText('after', '\nExample:\n  conclave node --join redis://:secret@10.0.0.2:6379')
    .action(async (options: NodeOptions) => {
      const { nodeCommand } = await import('./node-run.ts');
      await nodeCommand(options);
    });
}
