// Writes a checkpoint of random weights that this engine, transformers and others load: for benchmarks and tests. In: a
// model's config, dtype and seed. Out: a folder with safetensors, config.json, generation_config.json and a tokenizer.
import type { PlainFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import type { OnProgress } from '../pack/progress.ts';
import { sourcedSections } from './plan-weights.ts';
import { CONFIG_FILE } from './read-model-config.ts';
import type { SizedModel } from './size-config.ts';
import { synthesizeTokenizer } from './synthetic-tokenizer.ts';
import { type Distribution, syntheticWeights } from './synthetic-weights.ts';
import { type SourcedSection, tensorsOf } from './weight-plan.ts';
import type { TensorGroup } from './write-safetensors.ts';
import { prepareFolder, writeJson, writeWeights } from './write-weights.ts';

const CHUNK_WEIGHTS = 2 * 1024 * 1024;

export interface SynthesisRequest {
  readonly model: SizedModel;
  readonly dtype: PlainFormat;
  readonly seed: number;
  /** Must be absent or empty. */
  readonly folder: string;
  readonly shardBytes: number;
  readonly onProgress: OnProgress;
}

/** Writes the checkpoint; the config comes last, so an interrupted one is not taken for a model. Throws DomainError. */
export async function synthesizeCheckpoint(request: SynthesisRequest): Promise<void> {
  const { folder } = request;
  const { family, config, outline } = request.model;
  await prepareFolder(folder);
  const tokenizer = synthesizeTokenizer(outline.vocab, outline.maxContext);
  const groups = randomTensors(
    sourcedSections(family, outline, () => false),
    request,
  );
  await writeWeights({ ...request, groups, format: 'pt' });
  await writeJson(folder, 'tokenizer.json', tokenizer.tokenizer);
  await writeJson(folder, 'tokenizer_config.json', tokenizer.config);
  const ends = { eos_token_id: tokenizer.endTokenIds, pad_token_id: tokenizer.padTokenId };
  await writeJson(folder, 'generation_config.json', ends);
  const [eos] = tokenizer.endTokenIds;
  const ids = { bos_token_id: null, eos_token_id: eos, pad_token_id: tokenizer.padTokenId };
  await writeJson(folder, CONFIG_FILE, { ...config, ...ids, ...dtypeKeys(request.dtype) });
}

/** transformers 5 reads `dtype`, earlier versions and other engines `torch_dtype`. */
function dtypeKeys(dtype: PlainFormat): Readonly<Record<string, string>> {
  const name = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[dtype];
  return { dtype: name, torch_dtype: name };
}

/** Every tensor of the model once, at a scale that keeps activations near 1. */
function randomTensors(sections: readonly SourcedSection[], request: SynthesisRequest): readonly TensorGroup[] {
  const groups = new Map<string, TensorGroup>();
  for (const section of sections) {
    const distribution = distributionOf(section);
    for (const { tensor, tensorShape } of tensorsOf(section.content)) {
      groups.set(tensor, randomTensor(tensor, tensorShape, distribution, request));
    }
  }
  return [...groups.values()];
}

function randomTensor(
  name: string,
  shape: readonly number[],
  distribution: Distribution,
  { seed, dtype }: SynthesisRequest,
): TensorGroup {
  const count = shape.reduce((product, size) => product * size, 1);
  return {
    tensors: [{ name, dtype: dtype.toUpperCase(), shape }],
    *pieces() {
      for (const chunk of syntheticWeights(seed, name, count, distribution, dtype, CHUNK_WEIGHTS)) yield [chunk];
    },
  };
}

function distributionOf({ role, inputs, content }: SourcedSection): Distribution {
  if (content.kind !== 'vector') return { mean: 0, deviation: role === 'embedding' ? 1 : 1 / Math.sqrt(inputs) };
  return { mean: isNormWeight(role) ? 1 - content.source.add : 0, deviation: 0.1 };
}

function isNormWeight(role: WeightRole): boolean {
  return role.endsWith('Norm');
}
