// `conclave generate` and `conclave logits`: the engine alone, without Redis.

import { type Command, Option } from 'commander';
import { TOPOLOGIES } from '../../messages/group-plan.ts';
import { BACKENDS } from '../engine-flags.ts';
import { parseNonNegativeInteger, parsePositiveInteger, parseTemperature } from '../parse-option.ts';
import type { GenerateOptions } from './generate-run.ts';
import type { LogitsOptions } from './logits-run.ts';

export function addGenerateCommand(program: Command): void {
  addEngineOptions(program.command('generate').description('continue a prompt with a model on this machine'))
    .requiredOption('--prompt <text>', 'text to continue')
    .option('--chat', "put the prompt into the model's chat template as a user's message")
    .option('--max-tokens <count>', 'tokens to generate at most', parsePositiveInteger, 128)
    .option('--temperature <value>', '0 always takes the most likely token', parseTemperature, 0)
    .option('--seed <number>', 'the same seed gives the same text', parseNonNegativeInteger, 0)
    .option('--nodes <count>', 'nodes on this machine that share the work', parsePositiveInteger, 1)
    .addOption(new Option('--topology <kind>', 'how nodes share it').choices(['auto', ...TOPOLOGIES]).default('auto'))
    .option('--json', 'print one JSON object: text, token_ids, tokens_per_second')
    .addHelpText('after', '\nExample:\n  conclave generate --model models/demo --chat --prompt "Who are you?"')
    .action(async (options: GenerateOptions) => {
      const { generateCommand } = await import('./generate-run.ts');
      await generateCommand(options);
    });
}

export function addLogitsCommand(program: Command): void {
  addEngineOptions(
    program.command('logits').description('write the logits of every position, for comparison with other engines'),
  )
    .requiredOption('--tokens <ids>', 'token ids, separated by commas')
    .requiredOption('--out <file>', 'an .npy file: f32 [tokens, vocab]')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  conclave logits --model models/demo --tokens 1,2,3 --out logits.npy')
    .action(async (options: LogitsOptions) => {
      const { logitsCommand } = await import('./logits-run.ts');
      await logitsCommand(options);
    });
}

function addEngineOptions(command: Command): Command {
  return command
    .requiredOption('--model <folder>', 'a checkpoint or a folder of packs')
    .option('--home <folder>', 'where packs of checkpoints are kept (default: $CONCLAVE_HOME or .conclave)')
    .option('--threads <count>', 'computing threads (default: one per core)', parsePositiveInteger)
    .addOption(new Option('--backend <backend>', 'where to compute').choices(BACKENDS).default('auto'))
    .option(
      '--variant <name>',
      "kernel variant, for tests: 'reference' says the maths in plain C++; GPU: lanes, matrices",
      '',
    );
}
