// `conclave node`: its options. What it does is in node-run.ts.
import type { Command } from 'commander';
import { parsePositiveInteger } from '../parse-option.ts';
import type { NodeOptions } from './node-run.ts';

export function addNodeCommand(program: Command): void {
  program
    .command('node')
    .description('take part in a group of nodes that serve a model together')
    .option('--join <url>', 'the Redis of the group; visible to all users of the machine, unlike the next two')
    .option('--join-file <file>', 'a file that holds its URL (default: $CONCLAVE_JOIN, $REDIS_URL or conclave.yaml)')
    .option('--group <name>', 'which group, where there are several (default: main)')
    .option('--model <folder>', 'a checkpoint or a folder of packs (default: what the group serves, from its nodes)')
    .option('--served-model-name <name>', "the name that clients use (default: that of the model's folder)")
    .option('--node <id>', 'name of this node (default: host name and process id)')
    .option('--threads <count>', 'computing threads (default: one per core)', parsePositiveInteger)
    .option('--home <folder>', 'where packs are kept (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration (default: conclave.yaml, if there is one)')
    .addHelpText('after', '\nExample:\n  conclave node --join redis://:secret@10.0.0.2:6379')
    .action(async (options: NodeOptions) => {
      const { nodeCommand } = await import('./node-run.ts');
      await nodeCommand(options);
    });
}
