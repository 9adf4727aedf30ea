// Options of `conclave plan`, which plan-run.ts implements.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parsePositiveInteger } from '../parse-option.ts';
import type { PlanOptions } from './plan-run.ts';

const EXAMPLES = `
Examples:
  conclave plan --model dbrx --machine m2-ultra --nodes 2,3,4 --link 10gbe --alternative 8xh100
  conclave plan --model ./model --machine m3-ultra-512 --nodes 2 --link thunderbolt --streams 8
  conclave plan --model glm-4.5-air-4bit --machine m2-ultra-192 --nodes 1,2 --link thunderbolt
  conclave plan --models --machine m4-max-128 --context 32768
  conclave plan cluster.yaml
  REDIS_URL=redis://… conclave plan --live --model ./model --link 10gbe
  conclave plan --paper

cluster.yaml:
  model: dbrx                 # or a checkpoint's folder
  streams: 4
  context: 4096
  link: thunderbolt           # or {latencyMicroseconds: 300, gigabytesPerSecond: 3.5}
  nodes:
    - machine: m3-ultra-512
    - machine: {memoryGigabytes: 96, gigabytesPerSecond: 400, teraflops: 20, dollars: 2500, watts: 150}
      count: 2`;

export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description('predict which machines a model needs: placement, memory, speed, where the time goes, cost')
    .argument('[file]', 'YAML file with model, nodes and link; flags take precedence')
    .option(
      '--model <name>',
      'folder of a checkpoint, a published one such as qwen3-30b-a3b-4bit, or a family such as dbrx',
    )
    .option(
      '--machine <preset>',
      'type of all nodes: a chip of Macs with or without its memory, such as m2-ultra or m4-max-128',
    )
    .option('--nodes <counts>', 'number of nodes; several numbers are compared', parseCounts)
    .option('--link <preset>', 'network: 10gbe, thunderbolt, thunderbolt-rdma, rdma-25g')
    .addOption(
      new Option('--topology <topology>', 'which nodes compute attention').choices([
        'auto',
        'centralized',
        'decentralized',
      ]),
    )
    .addOption(
      new Option('--policy <policy>', 'how experts are placed').choices(['overlap', 'groups', 'busy-full', 'disjoint']),
    )
    .option('--streams <count>', 'number of concurrent streams', parsePositiveInteger)
    .option('--context <tokens>', 'context length of each stream', parsePositiveInteger)
    .option('--skew <exponent>', 'popularity of experts falls as 1 / rank ** exponent (default: 0, even)', Number)
    .option('--alternative <preset>', 'machine to compare the cost with: 8xh100')
    .option('--live', 'use the running nodes and their routing statistics, from $REDIS_URL')
    .option('--group <name>', 'group of the running nodes (default: main)')
    .option('--models', 'list published checkpoints that have a name here, and how many nodes each needs')
    .option('--paper', "compare predicted and published figures of the paper's cluster")
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string | undefined, options: PlanOptions) => {
      const { planCommand } = await import('./plan-run.ts');
      await planCommand(file, options);
    });
}

function parseCounts(text: string): number[] {
  const counts = text.split(',').map(parsePositiveInteger);
  if (counts.some((count) => count > 256)) throw new InvalidArgumentError('Expected at most 256 nodes.');
  return counts;
}
