// AWQ's and GPTQ's codes, which lie along the outputs, as rows along the inputs. In: a PackedTensor and a way to read. Out: codes of
// rows as one stream of bits each, and zeros. Pure but for the reading.
import { packedLayout } from '../../../native/weight-format.ts';
import { readCodes, writeCodes } from './dequantize-rows.ts';
import type { Biases, NamedTensor, PackedTensor } from './stored-tensor.ts';
import { badTensor } from './tensor-lookup.ts';

type Read = (tensor: NamedTensor) => Uint8Array;

/** The place of a column's code among the 8 of an int32. */
const AWQ_PLACES = [0, 4, 1, 5, 2, 6, 3, 7] as const;

/** [rows, inputs * bits / 8]. Throws DomainError `bad_checkpoint` for inputs in another order. */
export function transposedCodes(tensor: PackedTensor, rows: readonly number[], read: Read): Uint8Array {
  refuseOtherOrder(tensor, read);
  const { codes, inputs, rows: columns, format } = tensor;
  const { bits } = packedLayout(format);
  const bytes = read(codes.tensor);
  const codeAt = codes.order === 'awq' ? awqColumns(bytes, columns) : gptqLines(bytes, columns, bits);
  const all = new Uint8Array(rows.length * inputs);
  for (const [place, row] of rows.entries()) {
    for (let input = 0; input < inputs; input += 1) all[place * inputs + input] = codeAt(input, row);
  }
  return writeCodes(all, bits);
}

/** The zero of an input and a row. */
export function zerosAt(
  { rows, format, scales }: PackedTensor,
  { tensor, order }: Extract<Biases, { kind: 'zeros' }>,
  read: Read,
): (input: number, row: number) => number {
  if (scales.layout !== 'transposed') throw new TypeError('zeros stand beside transposed scales');
  const { inputsPerScale } = scales;
  const bytes = read(tensor);
  const { bits } = packedLayout(format);
  const plain = order === 'awq' ? null : readCodes(bytes, bits, (bytes.length * 8) / bits);
  const codeAt =
    plain === null ? awqColumns(bytes, rows) : (line: number, row: number) => plain[line * rows + row] ?? 0;
  return (input, row) => codeAt(Math.floor(input / inputsPerScale), row);
}

/** Codes of 4 bits, [lines, columns / 8] int32. */
function awqColumns(bytes: Uint8Array, columns: number) {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (line: number, column: number): number => {
    const word = words.getUint32((line * (columns / 8) + (column >> 3)) * 4, true);
    return (word >>> ((AWQ_PLACES[column & 7] ?? 0) * 4)) & 15;
  };
}

/** [lines * bits / 32, columns] int32: several lines in each, the first in the lowest bits. */
function gptqLines(bytes: Uint8Array, columns: number, bits: number) {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [perWord, mask] = [32 / bits, 2 ** bits - 1];
  return (line: number, column: number): number => {
    const word = words.getUint32((Math.floor(line / perWord) * columns + column) * 4, true);
    return (word >>> ((line % perWord) * bits)) & mask;
  };
}

function refuseOtherOrder({ inputGroups, scales, inputs }: PackedTensor, read: Read): void {
  if (inputGroups === null || scales.layout !== 'transposed') return;
  const bytes = read(inputGroups);
  const groups = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let input = 0; input < inputs; input += 1) {
    if (groups.getInt32(input * 4, true) !== Math.floor(input / scales.inputsPerScale)) {
      throw badTensor(inputGroups, 'puts inputs in another order, which is not read: take a checkpoint without g_idx');
    }
  }
}
