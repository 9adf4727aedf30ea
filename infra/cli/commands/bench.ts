// `conclave bench`: how fast this machine computes and serves a model. test/bench/METHODOLOGY.md defines each number.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AblationOptions } from '../bench/bench-ablation.ts';
import type { DecodeOptions } from '../bench/bench-decode.ts';
import type { GatewayOptions } from '../bench/bench-gateway.ts';
import type { GroupOptions } from '../bench/bench-group-steps.ts';
import type { HopOptions } from '../bench/bench-hop.ts';
import type { BenchPlanOptions } from '../bench/bench-plan.ts';
import type { PrefillOptions } from '../bench/bench-prefill.ts';
import type { ServeOptions } from '../bench/bench-serve.ts';
import type { SpeculationOptions } from '../bench/bench-speculation.ts';
import { parsePositiveInteger } from '../parse-option.ts';

export function addBenchCommand(program: Command): void {
  const bench = program.command('bench').description('run benchmarks; results are medians with their spread');
  addDecode(bench);
  addPrefill(bench);
  addGateway(bench);
  addServe(bench);
  addAblation(bench);
  addPlan(bench);
  addGroup(bench);
  addHop(bench);
  addSpeculation(bench);
}

function addDecode(bench: Command): void {
  addPeerOption(
    bench.command('decode').description('decode one stream, compared with the speed of reading the weights'),
  )
    .option('--tokens <count>', 'tokens to decode per run', parseTokens, 128)
    .option('--prompt-tokens <count>', 'tokens of the prompt', parsePositiveInteger, 16)
    .option('--runs <count>', 'runs, beside one to warm up', parsePositiveInteger, 5)
    .action(async (options: DecodeOptions) => {
      const { benchDecode } = await import('../bench/bench-decode.ts');
      await benchDecode(options);
    });
}

function addPrefill(bench: Command): void {
  addPeerOption(bench.command('prefill').description('prefill one prompt'))
    .option('--tokens <count>', 'tokens of the prompt', parsePositiveInteger, 512)
    .option('--runs <count>', 'runs, beside one to warm up', parsePositiveInteger, 5)
    .action(async (options: PrefillOptions) => {
      const { benchPrefill } = await import('../bench/bench-prefill.ts');
      await benchPrefill(options);
    });
}

function addGateway(bench: Command): void {
  addBenchOptions(bench.command('gateway').description('latency that gateway and queue add to the engine'))
    .option('--requests <count>', 'rounds, each answered with and without the gateway', parsePositiveInteger, 50)
    .option('--streams <count>', 'concurrent requests', parsePositiveInteger, 1)
    .option('--prompt-tokens <count>', 'tokens of each prompt', parsePositiveInteger, 16)
    .option('--tokens <count>', 'tokens of each answer', parseTokens, 32)
    .action(async (options: GatewayOptions) => {
      const { benchGateway } = await import('../bench/bench-gateway.ts');
      await benchGateway(options);
    });
}

function addServe(bench: Command): void {
  addPeerOption(bench.command('serve').description('concurrent clients over HTTP'))
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
    bench.command('ablation').description("the paper's ladder of optimisations and ours, with nodes on this machine"),
    'computing threads of each node (default: 1)',
  )
    .option('--nodes <count>', 'nodes', parsePositiveInteger, 2)
    .option('--streams <count>', 'streams that decode at once', parsePositiveInteger, 1)
    .option('--tokens <count>', 'tokens of each stream in a round', parsePositiveInteger, 48)
    .option('--rounds <count>', 'rounds through all rungs', parsePositiveInteger, 3)
    .option('--chart <file>', 'also write an SVG chart')
    .action(async (options: AblationOptions) => {
      const { benchAblation } = await import('../bench/bench-ablation.ts');
      await benchAblation(options);
    });
}

function addPlan(bench: Command): void {
  addBenchOptions(
    bench.command('plan').description('compare `conclave plan` with nodes on this machine; --model calibrates it'),
    'computing threads of each node (default: 1)',
  )
    .option('--check <folder...>', 'further models to predict and measure', [])
    .option('--nodes <counts>', 'numbers of nodes, separated by commas; 1 and 2 among them', parseCounts, [1, 2, 4])
    .addOption(
      new Option('--topology <topology>', 'which nodes compute attention')
        .choices(['centralized', 'decentralized'])
        .default('decentralized'),
    )
    .option('--streams <count>', 'streams that decode at once', parsePositiveInteger, 1)
    .option('--tokens <count>', 'tokens of each stream in a round', parsePositiveInteger, 48)
    .option('--rounds <count>', 'rounds through all models and numbers', parsePositiveInteger, 3)
    .option('--out <file>', 'write the calibration as a file for `conclave plan`')
    .action(async (options: BenchPlanOptions) => {
      const { benchPlan } = await import('../bench/bench-plan.ts');
      await benchPlan(options);
    });
}

function addGroup(bench: Command): void {
  addBenchOptions(
    bench.command('group').description('nodes of this machine against one node with as many threads'),
    'computing threads of each node (default: 1)',
  )
    .option('--nodes <count>', 'nodes', parsePositiveInteger, 2)
    .option('--streams <counts>', 'streams that decode at once, separated by commas', parseCounts, [1, 8])
    .addOption(new Option('--experts <where>', 'on each node').choices(['all', 'disjoint']).default('all'))
    .option('--exchange <url...>', 'exchanges to compare (default: a Redis of its own)')
    .option('--tokens <count>', 'tokens of each stream in a round', parsePositiveInteger, 48)
    .option('--warm-up <count>', 'tokens before those that count', parsePositiveInteger, 20)
    .option('--rounds <count>', 'rounds through one node and both topologies', parsePositiveInteger, 5)
    .action(async (options: GroupOptions) => {
      const { benchGroupSteps } = await import('../bench/bench-group-steps.ts');
      await benchGroupSteps(options);
    });
}

function addHop(bench: Command): void {
  bench
    .command('hop')
    .description('exchange of one layer between nodes, compared with bare Redis commands')
    .option('--nodes <counts>', 'numbers of nodes, separated by commas', parseCounts, [2, 3, 4])
    .option('--rows <counts>', 'tokens of a step, separated by commas', parseCounts, [1, 8, 128])
    .addOption(
      new Option('--topology <topology>', 'a hop from all to all, or from the leader to the others and back')
        .choices(['centralized', 'decentralized'])
        .default('decentralized'),
    )
    .option('--exchange <url>', 'exchange to measure (default: a Redis of its own)')
    .option('--top-k <count>', 'experts per token', parsePositiveInteger, 4)
    .option('--width <count>', 'values of a row, 2 bytes each', parsePositiveInteger, 1536)
    .option('--blocks <count>', 'blocks of rounds of each kind', parsePositiveInteger, 9)
    .option('--rounds <count>', 'rounds of a block', parsePositiveInteger, 200)
    .option('--warm-up <count>', 'warm-up rounds of each kind', parsePositiveInteger, 2000)
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
    'llama.cpp server with the same weights, measured alternately (see `conclave model export-gguf`)',
  );
}

function addSpeculation(bench: Command): void {
  addBenchOptions(
    bench.command('speculation').description('speculative decoding: drafting tokens and verifying several per step'),
  )
    .option(
      '--guesses <counts>',
      'numbers of correct guesses per step, separated by commas',
      parseCounts,
      [1, 3, 7, 15],
    )
    .option('--prompt <text>', 'also continue this text')
    .option('--tokens <count>', 'tokens to decode in a run', parseTokens, 128)
    .option(
      '--prompt-tokens <count>',
      'tokens of random prompts, and the maximum for the text',
      parsePositiveInteger,
      64,
    )
    .option('--runs <count>', 'runs, beside one to warm up', parsePositiveInteger, 5)
    .action(async (options: SpeculationOptions) => {
      const { benchSpeculation } = await import('../bench/bench-speculation.ts');
      await benchSpeculation(options);
    });
}

function addBenchOptions(command: Command, threads = 'compute threads (default: one per core)'): Command {
  return command
    .requiredOption('--model <folder>', 'folder of a checkpoint or of packs')
    .option('--home <folder>', 'folder in which packs are stored (default: $CONCLAVE_HOME or .conclave)')
    .option('--threads <count>', threads, parsePositiveInteger)
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nExample:\n  conclave bench ${command.name()} --model models/demo --json`);
}

/** A rate needs two tokens: one to start the clock and one to stop it. */
function parseTokens(text: string): number {
  const value = parsePositiveInteger(text);
  if (value < 2) throw new InvalidArgumentError('Expected a whole number of at least 2.');
  return value;
}

function parseCounts(text: string): number[] {
  return text.split(',').map(parsePositiveInteger);
}
