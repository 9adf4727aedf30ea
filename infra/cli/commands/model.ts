// `conclave model …`: the options of its subcommands. What they do is in files beside this one.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { KEEP_NAMES, type KeepName, QUANTIZATION_MODES } from '../../../workers/model/quantization-choice.ts';
import { parseNonNegativeInteger, parsePositiveInteger } from '../parse-option.ts';
import type { CacheOptions } from './model-cache.ts';
import type { ExportGgufOptions } from './model-export-gguf.ts';
import type { ImportOptions } from './model-import.ts';
import type { InspectOptions } from './model-inspect.ts';
import type { PullOptions } from './model-pull.ts';
import type { QuantizeOptions } from './model-quantize.ts';
import type { SynthOptions } from './model-synth.ts';
import type { VerifyOptions } from './model-verify.ts';

export function addModelCommand(program: Command): void {
  const model = program
    .command('model')
    .description('download, inspect, verify, create, quantise, import and export models');
  addPull(model);
  addCache(model);
  addInspect(model);
  addSynth(model);
  addVerify(model);
  addQuantize(model);
  addImport(model);
  addExportGguf(model);
}

function addPull(model: Command): void {
  model
    .command('pull')
    .description('download a model from a hub; goes on where an earlier download stopped')
    .argument('<name>', 'owner/name, or owner/name@revision')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nReads HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HF_HUB_OFFLINE and HTTPS_PROXY.\n\nExample:\n  conclave model pull Qwen/Qwen3-30B-A3B',
    )
    .action(async (name: string, options: PullOptions) => {
      const { pullCommand } = await import('./model-pull.ts');
      await pullCommand(name, options);
    });
}

function addCache(model: Command): void {
  model
    .command('list')
    .description('list the models that were downloaded from hubs')
    .option('--json', 'print one JSON object')
    .action(async (options: CacheOptions) => {
      const { listCommand } = await import('./model-cache.ts');
      await listCommand(options);
    });
  model
    .command('rm')
    .description('delete a model that was downloaded, with all its revisions')
    .argument('<name>', 'owner/name')
    .action(async (name: string) => {
      const { removeCommand } = await import('./model-cache.ts');
      await removeCommand(name);
    });
}

function addInspect(model: Command): void {
  model
    .command('inspect')
    .description('print family, shapes, parameters and bytes of a checkpoint, from its config and headers')
    .argument('<folder>', 'checkpoint: config.json and model.safetensors, or shards with their index')
    .option('--nodes <count>', 'number of nodes that share the experts', parsePositiveInteger, 1)
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  conclave model inspect ./dbrx-instruct --nodes 4')
    .action(async (folder: string, options: InspectOptions) => {
      const { inspectCommand } = await import('./model-inspect.ts');
      await inspectCommand(folder, options);
    });
}

function addSynth(model: Command): void {
  const size = (flags: string, description: string, value: number): Option =>
    new Option(flags, description).argParser(parsePositiveInteger).default(value);
  model
    .command('synth')
    .description('write a checkpoint of random weights with a valid config and tokenizer, for benchmarks and tests')
    .requiredOption('--out <folder>', 'output folder, new or empty')
    .option('--like <family>', 'model_type of a supported family', 'dbrx')
    .addOption(size('--layers <count>', 'blocks', 4))
    .addOption(size('--d-model <width>', 'width of the residual stream', 256))
    .addOption(size('--experts <count>', 'experts per layer; a dense family has none', 8))
    .addOption(size('--top-k <count>', 'experts per token', 2))
    .addOption(size('--ffn <width>', 'inner width of an expert, or of the MLPs of a dense family', 512))
    .addOption(size('--heads <count>', 'attention heads', 4))
    .addOption(size('--kv-heads <count>', 'key/value heads', 2))
    .option('--head-dim <width>', 'width of a head (default: the width over the heads)', parsePositiveInteger)
    .addOption(size('--vocab <size>', 'size of the vocabulary, at least 260', 4096))
    .addOption(size('--max-seq-len <tokens>', 'longest sequence', 4096))
    .addOption(new Option('--dtype <dtype>', 'storage type').choices(['bf16', 'f16', 'f32']).default('bf16'))
    .option('--seed <number>', 'the same seed gives the same files', parseNonNegativeInteger, 0)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  conclave model synth --like dbrx --layers 10 --d-model 1536 --experts 16 --top-k 4 --ffn 2688 \\\n' +
        '    --heads 12 --kv-heads 2 --vocab 32000 --out ./model-d',
    )
    .action(async (options: SynthOptions) => {
      const { synthCommand } = await import('./model-synth.ts');
      await synthCommand(options);
    });
}

function addVerify(model: Command): void {
  model
    .command('verify')
    .description('recompute the checksums of the packs of a model')
    .argument('<folder>', 'folder of packs, or the checkpoint they were built from')
    .option('--home <folder>', 'folder in which packs are stored (default: $CONCLAVE_HOME or .conclave)')
    .option('--json', 'print one JSON object')
    .action(async (folder: string, options: VerifyOptions) => {
      const { verifyCommand } = await import('./model-verify.ts');
      await verifyCommand(folder, options);
    });
}

function addQuantize(model: Command): void {
  model
    .command('quantize')
    .description('write a quantised checkpoint that mlx-lm and this engine load')
    .argument('<folder>', 'checkpoint of bf16, f16 or f32')
    .requiredOption('--out <folder>', 'output folder, new or empty')
    .addOption(new Option('--mode <mode>', 'format of the codes').choices(QUANTIZATION_MODES).default('affine'))
    .option(
      '--bits <bits>',
      'bits of a code: 2, 3, 4, 5, 6 or 8 (default: 4, or those of the mode)',
      parsePositiveInteger,
    )
    .option('--group-size <inputs>', '32, 64 or 128 (default: 64, or that of the mode)', parsePositiveInteger)
    .option('--keep <parts>', `what stays as it is, with commas: ${KEEP_NAMES.join(', ')}`, parseKeep, [])
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nRouters get 8 bits in groups of 64, as mlx-lm gives them.\n\nExample:\n' +
        '  conclave model quantize ./qwen3-30b-a3b --bits 4 --group-size 64 --keep lm_head --out ./qwen3-30b-a3b-4bit',
    )
    .action(async (folder: string, options: QuantizeOptions) => {
      const { quantizeCommand } = await import('./model-quantize.ts');
      await quantizeCommand(folder, options);
    });
}

function parseKeep(text: string): KeepName[] {
  return text.split(',').map((part) => {
    const name = KEEP_NAMES.find((one) => one === part.trim());
    if (name === undefined) throw new InvalidArgumentError(`Expected ${KEEP_NAMES.join(', ')}.`);
    return name;
  });
}

function addImport(model: Command): void {
  model
    .command('import')
    .description('convert a GGUF file to a checkpoint folder, without loss')
    .argument('<file>', 'GGUF file')
    .requiredOption('--out <folder>', 'output folder, new or empty')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  conclave model import ./Qwen3-30B-A3B-Q4_K_M.gguf --out ./qwen3-30b-a3b')
    .action(async (file: string, options: ImportOptions) => {
      const { importCommand } = await import('./model-import.ts');
      await importCommand(file, options);
    });
}

function addExportGguf(model: Command): void {
  model
    .command('export-gguf')
    .description('export a dbrx or qwen3_moe checkpoint as a GGUF file, to compare engines on the same weights')
    .argument('<folder>', 'checkpoint')
    .requiredOption('--out <file>', 'output file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  conclave model export-gguf ./model-d --out ./model-d.gguf')
    .action(async (folder: string, options: ExportGgufOptions) => {
      const { exportGgufCommand } = await import('./model-export-gguf.ts');
      await exportGgufCommand(folder, options);
    });
}
