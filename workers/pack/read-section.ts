// A section's bytes, made from the checkpoint piece by piece, so that building a pack takes little memory however large a
// matrix is. In: a mapped checkpoint and a section's plan. Out: chunks in file order.
import { BYTES_PER_WEIGHT, isPacked, PANEL_OUTPUTS, type PlainFormat, panelBytes } from '../../native/weight-format.ts';
import type { Checkpoint, TensorLocation } from '../model/open-checkpoint.ts';
import { type MatrixSource, matricesOf, type PlannedSection, type VectorSource } from '../model/weight-plan.ts';
import { paddedVectorLength, panelCount } from './place-sections.ts';
import { readPackedMatrices } from './read-packed-matrices.ts';
import { widenFloats } from './widen-floats.ts';

/** Largest chunk, in bytes, unless one panel is larger. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** Yields the bytes of a section in order; gives the source's pages back at the end. */
export function* readSection(section: PlannedSection, checkpoint: Checkpoint): Generator<Uint8Array> {
  const { content, format } = section;
  if (isPacked(format)) {
    yield* readPackedMatrices(section, checkpoint);
    return;
  }
  switch (content.kind) {
    case 'vector':
      yield readPaddedVector(content.source, checkpoint);
      return;
    case 'rows':
      yield* readRows(content.source, checkpoint, format);
      break;
    case 'panels':
      yield* readPanels(content.sources, checkpoint, format);
  }
  for (const matrix of matricesOf(content)) releaseMatrix(matrix, checkpoint, format);
}

/** The values of a vector. */
export function readVector(source: VectorSource, checkpoint: Checkpoint): Float32Array {
  const { file, offset, dtype } = checkpoint.tensor(source.tensor);
  const { first, length, stride, add } = source;
  const width = BYTES_PER_WEIGHT[dtype];
  const span = widenFloats(file.read(offset + first * width, ((length - 1) * stride + 1) * width), dtype);
  return Float32Array.from({ length }, (_, index) => (span[index * stride] ?? 0) + add);
}

function readPaddedVector(source: VectorSource, checkpoint: Checkpoint): Uint8Array {
  const padded = new Float32Array(paddedVectorLength(source.length));
  padded.set(readVector(source, checkpoint));
  return new Uint8Array(padded.buffer);
}

function* readRows(source: MatrixSource, checkpoint: Checkpoint, format: PlainFormat): Generator<Uint8Array> {
  const { file, offset } = checkpoint.tensor(source.tensor);
  const { begin, bytes } = byteRange(source, format);
  for (let done = 0; done < bytes; done += CHUNK_BYTES) {
    yield file.read(offset + begin + done, Math.min(CHUNK_BYTES, bytes - done));
  }
}

function* readPanels(
  sources: readonly MatrixSource[],
  checkpoint: Checkpoint,
  format: PlainFormat,
): Generator<Uint8Array> {
  const located = sources.map((matrix) => ({ matrix, tensor: checkpoint.tensor(matrix.tensor) }));
  const first = sources[0];
  if (first === undefined) return;
  const slotBytes = panelBytes(format, first.inputs) * sources.length;
  const step = Math.max(1, Math.floor(CHUNK_BYTES / slotBytes));
  const count = panelCount(first.outputs);
  for (let panel = 0; panel < count; panel += step) {
    const panels = Math.min(step, count - panel);
    const out = new Uint8Array(panels * slotBytes);
    for (const [slot, { matrix, tensor }] of located.entries()) {
      packRange(matrix, tensor, panel, panels, out, { step: sources.length, offset: slot });
    }
    yield out;
  }
}

function packRange(
  matrix: MatrixSource,
  tensor: TensorLocation,
  panel: number,
  panels: number,
  out: Uint8Array,
  slots: { step: number; offset: number },
): void {
  const output = panel * PANEL_OUTPUTS;
  const firstElement = matrix.first + output * matrix.outputStride;
  const range = {
    offset: tensor.offset + firstElement * BYTES_PER_WEIGHT[tensor.dtype],
    dtype: tensor.dtype,
    outputs: Math.min(panels * PANEL_OUTPUTS, matrix.outputs - output),
    inputs: matrix.inputs,
    outputStride: matrix.outputStride,
    inputStride: matrix.inputStride,
  };
  tensor.file.packPanels(range, out, slots);
}

function releaseMatrix(matrix: MatrixSource, checkpoint: Checkpoint, format: PlainFormat): void {
  const { file, offset } = checkpoint.tensor(matrix.tensor);
  const { begin, bytes } = byteRange(matrix, format);
  file.release(offset + begin, bytes);
}

/** From the matrix's first element to its last, in bytes from the beginning of the tensor. */
function byteRange(matrix: MatrixSource, format: PlainFormat): { begin: number; bytes: number } {
  const span = (matrix.outputs - 1) * matrix.outputStride + (matrix.inputs - 1) * matrix.inputStride + 1;
  return { begin: matrix.first * BYTES_PER_WEIGHT[format], bytes: span * BYTES_PER_WEIGHT[format] };
}
