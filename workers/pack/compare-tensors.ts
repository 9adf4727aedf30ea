// Do two tensors of a checkpoint hold the same? Reads both, piece by piece.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { BYTES_PER_WEIGHT } from '../../native/weight-format.ts';
import type { TensorCopy } from '../model/families/model-family.ts';
import type { Checkpoint, TensorLocation } from '../model/open-checkpoint.ts';

const BLOCK_BYTES = 8 * 1024 * 1024;

/** Throws DomainError `bad_checkpoint` unless `tensor` equals `of`, bit by bit. */
export function refuseOtherCopy(checkpoint: Checkpoint, { tensor, of }: TensorCopy): void {
  const [left, right] = [checkpoint.tensor(tensor), checkpoint.tensor(of)];
  if (left.dtype === right.dtype && isEqual(left, right, bytesOf(left))) return;
  throw new DomainError(
    'bad_checkpoint',
    `${left.file.path}: tensor "${tensor}" differs from "${of}", to which "tie_word_embeddings" ties it: expected one of them`,
    { param: tensor },
  );
}

function bytesOf({ shape, dtype }: TensorLocation): number {
  return shape.reduce((product, size) => product * size, BYTES_PER_WEIGHT[dtype]);
}

function isEqual(left: TensorLocation, right: TensorLocation, bytes: number): boolean {
  for (let done = 0; done < bytes; done += BLOCK_BYTES) {
    const count = Math.min(BLOCK_BYTES, bytes - done);
    const [one, other] = [left.file.read(left.offset + done, count), right.file.read(right.offset + done, count)];
    if (!Buffer.from(one.buffer, one.byteOffset, count).equals(other)) return false;
  }
  return true;
}
