// Options of `conclave generate` and `conclave logits`, which use the engine without Redis.

import { type Command, Option } from 'commander';
import { TOPOLOGIES } from '../../messages/group-plan.ts';
import { BACKENDS } from '../engine-flags.ts';
import { parseNonNegativeInteger, parsePositiveInteger, parseTemperature } from '../parse-option.ts';
import type { GenerateOptions } from './generate-run.ts';
import type { LogitsOptions } from './logits-run.ts';

export function addGenerateCommand(program: Command): void {
  addEngineOptions(program.command('generate').description('continue a prompt with a model on this machine'))
    .requiredOption('--prompt <text>', 'text to continue')
    .option('--chat', "send the prompt as a user message, in the model's chat template")
    .option('--max-tokens <count>', 'maximum tokens to generate', parsePositiveInteger, 128)
    .option('--temperature <value>', 'sampling temperature; 0 is greedy', parseTemperature, 0)
    .option('--seed <number>', 'sampling seed; the same seed gives the same text', parseNonNegativeInteger, 0)
    .option('--nodes <count>', 'number of nodes on this machine that share the model', parsePositiveInteger, 1)
    .addOption(
      new Option('--topology <kind>', 'how nodes share the work').choices(['auto', ...TOPOLOGIES]).default('auto'),
    )
    .option('--json', 'print one JSON object: text, token_ids, tokens_per_second')
    .addHelpText('after', '\nExample:\n  conclave generate --model models/demo --chat --prompt "Who are you?"')
    .action(async (options: GenerateOptions) => {
      const { generateCommand } = await import('./generate-run.ts');
      await generateCommand(options);
    });
}

export function addLogitsCommand(program: Command): void {
  addEngineOptions(
    program.command('logits').description('write the logits of every position to a file, to compare engines'),
  )
    .requiredOption('--tokens <ids>', 'token ids, separated by commas')
    .requiredOption('--out <file>', 'output file in .npy format: f32 [tokens, vocab]')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  conclave logits --model models/demo --tokens 1,2,3 --out logits.npy')
    .action(async (options: LogitsOptions) => {
      const { logitsCommand } = await import('./logits-run.ts');
      await logitsCommand(options);
    });
}

function addEngineOptions(command: Command): Command {
  return command
    .requiredOption('--model <folder>', 'folder of a checkpoint or of packs, or a name on a hub')
    .option('--home <folder>', 'folder in which packs are stored (default: $CONCLAVE_HOME or .conclave)')
    .option('--threads <count>', 'compute threads (default: one per core)', parsePositiveInteger)
    .addOption(new Option('--backend <backend>', 'compute backend').choices(BACKENDS).default('auto'))
    .option(
      '--variant <name>',
      "kernel variant, for tests; 'reference' is plain C++; lanes and matrices are for GPUs",
      '',
    );
}
