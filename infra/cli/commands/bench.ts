// `conclave bench`: how fast this machine computes and serves a model. test/bench/METHODOLOGY.md defines each number.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AblationOptions } from '../bench/bench-ablation.ts';
import type { DecodeOptions } from '../bench/bench-decode.ts';
import type { GatewayOptions } from '../bench/bench-gateway.ts';
import type { HopOptions } from '../bench/bench-hop.ts';
import type { BenchPlanOptions } from '../bench/bench-plan.ts';
import type { PrefillOptions } from '../bench/bench-prefill.ts';
import type { ServeOptions } from '../bench/bench-serve.ts';
import type { SpeculationOptions } from '../bench/bench-speculation.ts';
import { parsePositiveInteger } from '../parse-option.ts';

export function addBenchCommand(program: Command): void {
  const bench = program.command('bench').description('measure: medians with their spread, everything in one run');
  addDecode(bench);
  addPrefill(bench);
  addGateway(bench);
  addServe(bench);
  addAblation(bench);
  addPlan(bench);
  addHop(bench);
  addSpeculation(bench);
}

function addDecode(bench: Command): void {
  addPeerOption(bench.command('decode').description('one stream, against the speed of reading the weights'))
    .option('--tokens <count>', 'tokens to decode in a run', parseTokens, 128)
    .option('--prompt-tokens <count>', 'tokens of the prompt before them', parsePositiveInteger, 16)
    .option('--runs <count>', 'runs, beside one to warm up', parsePositiveInteger, 5)
    .action(async (options: DecodeOptions) => {
      const { benchDecode } = await import('../bench/bench-decode.ts');
      await benchDecode(options);
    });
}

function addPrefill(bench: Command): void {
  addPeerOption(bench.command('prefill').description('taking in one prompt'))
    .option('--tokens <count>', 'tokens of the prompt', parsePositiveInteger, 512)
    .option('--runs <count>', 'runs, beside one to warm up', parsePositiveInteger, 5)
    .action(async (options: PrefillOptions) => {
      const { benchPrefill } = await import('../bench/bench-prefill.ts');
      await benchPrefill(options);
    });
}

function addGateway(bench: Command): void {
  addBenchOptions(bench.command('gateway').description('what gateway and queue add to the engine'))
    .option('--requests <count>', 'rounds of requests answered both ways', parsePositiveInteger, 50)
    .option('--streams <count>', 'requests at once', parsePositiveInteger, 1)
    .option('--prompt-tokens <count>', 'tokens of each prompt', parsePositiveInteger, 16)
    .option('--tokens <count>', 'tokens of each answer', parseTokens, 32)
    .action(async (options: GatewayOptions) => {
      const { benchGateway } = await import('../bench/bench-gateway.ts');
      await benchGateway(options);
    });
}

function addServe(bench: Command): void {
  addPeerOption(bench.command('serve').description('many clients at once, over HTTP'))
    .option('--clients <counts>', 'numbers of clients, separated by commas', parseCounts, [1, 4, 8, 16, 32])
    .option('--prompt-tokens <count>', 'tokens of each prompt', parsePositiveInteger, 64)
    .option('--max-tokens <count>', 'tokens of each answer', parseTokens, 64)
    .option('--rounds <count>', 'requests that each client sends', parsePositiveInteger, 3)
    .action(async (options: ServeOptions) => {
      const { benchServe } = await import('../bench/bench-serve.ts');
      await benchServe(options);
    });
}

function addAblation(bench: Command): void {
  addBenchOptions(
    bench.command('ablation').description("the paper's ladder of optimisations and ours, on nodes of this machine"),
    'computing threads of each node (default: 1)',
  )
    .option('--nodes <count>', 'nodes', parsePositiveInteger, 2)
    .option('--streams <count>', 'streams that decode at once', parsePositiveInteger, 1)
    .option('--tokens <count>', 'tokens of each stream in a round', parsePositiveInteger, 48)
    .option('--rounds <count>', 'rounds through all rungs', parsePositiveInteger, 3)
    .option('--chart <file>', 'write an SVG chart too')
    .action(async (options: AblationOptions) => {
      const { benchAblation } = await import('../bench/bench-ablation.ts');
      await benchAblation(options);
    });
}

function addPlan(bench: Command): void {
  addBenchOptions(
    bench.command('plan').description('`conclave plan` against nodes of this machine; --model calibrates it'),
    'computing threads of each node (default: 1)',
  )
    .option('--check <folder...>', 'models to predict and measure beside it', [])
    .option('--nodes <counts>', 'numbers of nodes, separated by commas; 1 and 2 among them', parseCounts, [1, 2, 4])
    .addOption(
      new Option('--topology <topology>', 'who holds attention')
        .choices(['centralized', 'decentralized'])
        .default('decentralized'),
    )
    .option('--streams <count>', 'streams that decode at once', parsePositiveInteger, 1)
    .option('--tokens <count>', 'tokens of each stream in a round', parsePositiveInteger, 48)
    .option('--rounds <count>', 'rounds through all models and numbers', parsePositiveInteger, 3)
    .option('--out <file>', 'write what was found as a file for `conclave plan`')
    .action(async (options: BenchPlanOptions) => {
      const { benchPlan } = await import('../bench/bench-plan.ts');
      await benchPlan(options);
    });
}

function addHop(bench: Command): void {
  bench
    .command('hop')
    .description('exchange of one layer between nodes, against bare Redis commands')
    .option('--nodes <counts>', 'numbers of nodes, separated by commas', parseCounts, [2, 3, 4])
    .option('--rows <counts>', 'tokens of a step, separated by commas', parseCounts, [1, 8, 128])
    .addOption(
      new Option(
        '--client <name>',
        'who talks to Redis: the addon (decentralized groups) or ioredis (centralized ones)',
      )
        .choices(['native', 'ioredis'])
        .default('native'),
    )
    .option('--top-k <count>', 'experts that a token chooses', parsePositiveInteger, 4)
    .option('--width <count>', 'values of a row, 2 bytes each', parsePositiveInteger, 1536)
    .option('--blocks <count>', 'blocks of rounds of either kind', parsePositiveInteger, 9)
    .option('--rounds <count>', 'rounds of a block', parsePositiveInteger, 200)
    .option('--warm-up <count>', 'rounds of either kind before those that count', parsePositiveInteger, 2000)
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  conclave bench hop --nodes 2 --json')
    .action(async (options: HopOptions) => {
      const { benchHop } = await import('../bench/bench-hop.ts');
      await benchHop(options);
    });
}

function addPeerOption(command: Command): Command {
  return addBenchOptions(command).option(
    '--peer <url>',
    'llama.cpp server with the same weights, asked in turns (see `conclave model export-gguf`)',
  );
}

function addSpeculation(bench: Command): void {
  addBenchOptions(bench.command('speculation').description('guessing tokens and verifying several in one step'))
    .option('--guesses <counts>', 'right guesses in each step, separated by commas', parseCounts, [1, 3, 7, 15])
    .option('--prompt <text>', 'also continue this text')
    .option('--tokens <count>', 'tokens to decode in a run', parseTokens, 128)
    .option('--prompt-tokens <count>', 'tokens of random prompts, and of the text at most', parsePositiveInteger, 64)
    .option('--runs <count>', 'runs, beside one to warm up', parsePositiveInteger, 5)
    .action(async (options: SpeculationOptions) => {
      const { benchSpeculation } = await import('../bench/bench-speculation.ts');
      await benchSpeculation(options);
    });
}

function addBenchOptions(command: Command, threads = 'computing threads (default: one per core)'): Command {
  return command
    .requiredOption('--model <folder>', 'a checkpoint or a folder of packs')
    .option('--home <folder>', 'where packs of checkpoints are kept (default: $CONCLAVE_HOME or .conclave)')
    .option('--threads <count>', threads, parsePositiveInteger)
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nExample:\n  conclave bench ${command.name()} --model models/demo --json`);
}

/** A rate needs two tokens: one to start the clock and one to stop it. */
function parseTokens(text: string): number {
  const value = parsePositiveInteger(text);
  if (value < 2) throw new InvalidArgumentError('Expected a whole number from 2 up.');
  return value;
}

function parseCounts(text: string): number[] {
  return text.split(',').map(parsePositiveInteger);
}
