// The bytes of a section of a packed format, from the tensors of a quantised checkpoint. In: a mapped checkpoint and a section's
// plan. Out: chunks in file order.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { MappedFile } from '../../native/mapped-file.ts';
import { NativeError } from '../../native/native-error.ts';
import type { ByteRows, PackedMatrix } from '../../native/packed-matrix.ts';
import type { Checkpoint } from '../model/open-checkpoint.ts';
import { packedMatrixOf } from '../model/quantization/packed-matrix-of.ts';
import type { PackedTensor } from '../model/quantization/stored-tensor.ts';
import { type MatrixSource, matricesOf, type PlannedSection } from '../model/weight-plan.ts';
import { packMatrices } from './pack-matrices.ts';

/** Throws DomainError `bad_checkpoint` naming file, tensor and place of a code or scale that is not a number. */
export function* readPackedMatrices(
  { content, packed }: PlannedSection,
  checkpoint: Checkpoint,
): Generator<Uint8Array> {
  const matrices = matricesOf(content).map((source, index) => matrixOf(source, packed[index], checkpoint));
  try {
    yield* packMatrices(matrices);
  } catch (thrown) {
    throw packingFailure(thrown, packed);
  }
  for (const { codes, scales, biases, outputs } of matrices) {
    for (const rows of [codes, scales, biases]) if (rows !== null) release(rows, outputs);
  }
}

function matrixOf(source: MatrixSource, tensor: PackedTensor | undefined, checkpoint: Checkpoint): PackedMatrix {
  if (tensor === undefined) throw new TypeError(`${source.tensor} was planned to be packed`);
  const { first, inputs, outputStride, outputs } = source;
  const rows = { first: first / inputs, step: outputStride / inputs, count: outputs };
  return packedMatrixOf(tensor, rows, checkpoint.bytes);
}

/** Gives the pages of rows in a file back. */
function release({ bytes, offset, stride }: ByteRows, outputs: number): void {
  if (bytes instanceof MappedFile) bytes.release(offset, Math.min(outputs * stride, bytes.size - offset));
}

function packingFailure(thrown: unknown, packed: readonly PackedTensor[]): unknown {
  const [first] = packed;
  if (!(thrown instanceof NativeError) || thrown.code !== 'invalid_argument' || first === undefined) return thrown;
  const names = packed.map(({ codes }) => `"${codes.tensor.name}"`).join(' or ');
  const message = `${first.codes.tensor.path}: tensor ${names} cannot be packed: ${thrown.message}`;
  return new DomainError('bad_checkpoint', message, { param: first.codes.tensor.name, cause: thrown });
}
