// Writes a checkpoint as one GGUF file, so that another engine computes with the same weights. In: a checkpoint folder. Out:
// a file that is there whole or not at all.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { describeCheckpoint } from '../model/describe-checkpoint.ts';
import { type Checkpoint, openCheckpoint } from '../model/open-checkpoint.ts';
import { readMatrixRows } from '../model/read-matrix-rows.ts';
import { countBytes, type OnProgress } from '../pack/progress.ts';
import { readVector } from '../pack/read-section.ts';
import { widenFloats } from '../pack/widen-floats.ts';
import { writeAt, writeFileAtomically } from '../pack/write-file-atomically.ts';
import { ggufArchitecture } from './gguf-architectures.ts';
import { layOutGguf } from './gguf-header.ts';
import { type BpeTokenizer, ggufMetadata } from './gguf-metadata.ts';
import { type GgufTensor, ggufTensors } from './gguf-tensors.ts';

const tokenizerSchema = z.object({
  model: z.object({
    type: z.literal('BPE'),
    vocab: z.record(z.string(), z.number()),
    merges: z.array(z.union([z.string(), z.array(z.string())])),
  }),
  added_tokens: z.array(z.object({ id: z.number(), content: z.string() })),
});

/** Returns the file's size. Throws DomainError `bad_config` or `bad_checkpoint` naming what cannot be written as GGUF. */
export async function exportGguf(folder: string, path: string, onProgress: OnProgress): Promise<number> {
  const { description, sections, index, config } = await describeCheckpoint(folder);
  const metadata = ggufMetadata(description, await readTokenizer(folder), Number(config.value['eos_token_id'] ?? 0));
  const tensors = ggufTensors(sections, ggufArchitecture(description).tensors);
  const { header, offsets, fileBytes } = layOutGguf(metadata, tensors);
  const advance = countBytes(fileBytes, onProgress);
  const checkpoint = openCheckpoint(index);
  try {
    await writeFileAtomically(path, async (file) => {
      await file.truncate(fileBytes);
      await writeAt(file, header, 0);
      for (const [at, tensor] of tensors.entries()) {
        let position = offsets[at] ?? 0;
        for (const chunk of readTensor(tensor, checkpoint)) {
          await writeAt(file, chunk, position);
          position += chunk.length;
          advance(`Writing ${tensor.name}`, chunk.length);
        }
      }
    });
  } finally {
    checkpoint.close();
  }
  return fileBytes;
}

async function readTokenizer(folder: string): Promise<BpeTokenizer> {
  const path = join(folder, 'tokenizer.json');
  const parsed = tokenizerSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!parsed.success) {
    throw new DomainError(
      'bad_config',
      `${path} is not a byte-level BPE tokenizer, the only kind that can be exported to GGUF`,
    );
  }
  const { model, added_tokens } = parsed.data;
  return { vocab: model.vocab, merges: model.merges, addedTokens: added_tokens };
}

function* readTensor(tensor: GgufTensor, checkpoint: Checkpoint): Generator<Uint8Array> {
  if ('vector' in tensor) {
    yield bytesOf(readVector(tensor.vector, checkpoint));
    return;
  }
  for (const matrix of tensor.matrices) {
    const { dtype } = checkpoint.tensor(matrix.tensor);
    for (const rows of readMatrixRows(matrix, checkpoint)) {
      yield tensor.dtype === dtype ? rows : bytesOf(widenFloats(rows, dtype));
    }
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
