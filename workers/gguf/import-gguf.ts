// A GGUF file -> a checkpoint folder as MLX lays it out, without loss: codes keep their bits, scales and minima of sub-blocks become
// scales and biases of groups, queries and keys get back the order of Hugging Face. In: a file. Out: a folder that every command takes.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { MappedFile } from '../../native/mapped-file.ts';
import { CONFIG_FILE } from '../model/read-model-config.ts';
import type { TensorGroup } from '../model/write-safetensors.ts';
import { DEFAULT_SHARD_BYTES, prepareFolder, writeJson, writeWeights } from '../model/write-weights.ts';
import type { OnProgress } from '../pack/progress.ts';
import { widenFloats } from '../pack/widen-floats.ts';
import { GgufEntries } from './gguf-entries.ts';
import {
  type ImportedArchitecture,
  importedArchitecture,
  importedConfig,
  importedName,
} from './import-architectures.ts';
import { importTensor } from './import-tensor.ts';
import { importTokenizer } from './import-tokenizer.ts';
import { type GgufFile, type GgufTensorEntry, readGguf } from './read-gguf.ts';

/** Llama 3's rotary table, which config.json says otherwise. */
const ROPE_FACTORS = 'rope_freqs.weight';

export interface ImportedModel {
  readonly family: string;
  readonly tensors: number;
  /** Of all tensors that were written. */
  readonly bytes: number;
}

/** Throws DomainError: `bad_checkpoint` naming file and tensor or key, `conflict` when `folder` is not empty. */
export async function importGguf(path: string, folder: string, onProgress: OnProgress): Promise<ImportedModel> {
  const gguf = await readGguf(path);
  const entries = new GgufEntries(gguf);
  refuseParts(entries);
  const architecture = importedArchitecture(entries);
  const tokenizer = importTokenizer(entries);
  const file = MappedFile.open(path);
  try {
    const config = importedConfig(entries, architecture, gguf, ropeFactors(gguf, file));
    const groups = importTensors(gguf, file, architecture, config);
    await prepareFolder(folder);
    const bytes = await writeWeights({ folder, groups, format: 'mlx', shardBytes: DEFAULT_SHARD_BYTES, onProgress });
    await writeJson(folder, 'tokenizer.json', tokenizer.tokenizer);
    await writeJson(folder, 'tokenizer_config.json', tokenizer.config);
    await writeJson(folder, 'generation_config.json', { eos_token_id: tokenizer.endTokenIds });
    await writeJson(folder, CONFIG_FILE, { ...config, ...tokenizer.ids, ...quantization(groups) });
    return { family: String(config['model_type']), tensors: groups.length, bytes };
  } finally {
    file.close();
  }
}

function refuseParts(entries: GgufEntries): void {
  const parts = entries.plainNumber('split.count') ?? 1;
  if (parts > 1) throw entries.refusal('split.count', parts, 'one file: join the parts with llama-gguf-split --merge');
}

function ropeFactors({ tensors }: GgufFile, file: MappedFile): Float32Array | null {
  const tensor = tensors.get(ROPE_FACTORS);
  return tensor === undefined ? null : widenFloats(file.read(tensor.offset, tensor.bytes), 'f32');
}

function importTensors(
  { path, tensors }: GgufFile,
  file: MappedFile,
  architecture: ImportedArchitecture,
  config: Readonly<Record<string, unknown>>,
): readonly TensorGroup[] {
  return [...tensors.values()]
    .filter(({ name }) => name !== ROPE_FACTORS)
    .map((tensor) => {
      const target = importedName(tensor.name, architecture);
      if (target === null) throw notOfModel(path, tensor);
      const source = { path, file, tensor };
      return importTensor(source, nameOf(target), permutedHeads(tensor.name, architecture, config));
    });
}

/** Sinks are no module with weights. */
function nameOf({ module, part }: { readonly module: string; readonly part: string }) {
  return module.endsWith('.sinks') ? { module, part: null } : { module, part };
}

/** Heads of queries or keys whose rows are to be reordered; null for other tensors. */
function permutedHeads(
  name: string,
  { permuted }: ImportedArchitecture,
  config: Readonly<Record<string, unknown>>,
): number | null {
  const match = /\.attn_([qk])\.(?:weight|bias)$/.exec(name);
  if (!permuted || match === null) return null;
  return Number(config[match[1] === 'q' ? 'num_attention_heads' : 'num_key_value_heads']);
}

function notOfModel(path: string, { name, shape }: GgufTensorEntry): DomainError {
  const message = `${path}: tensor "${name}" of shape [${shape.join(', ')}] is not part of this model`;
  return new DomainError('bad_checkpoint', message, { param: name });
}

/** The defaults that MLX's config has; what each module has is inferred from its shapes. */
function quantization(groups: readonly TensorGroup[]): object {
  const packed = groups.find(({ tensors }) => tensors.length > 1);
  return packed === undefined ? {} : { quantization: { group_size: 32, bits: 4 } };
}
