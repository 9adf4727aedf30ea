// How a tensor that a family's mapping names is stored: as plain numbers, or as codes with scales in tensors of their own. Pure
// data; locate-tensor.ts finds it, read-packed-rows.ts reads it.
import type { PackedFormat, PlainFormat } from '../../../native/weight-format.ts';
import type { IndexedTensor } from '../checkpoint-index.ts';

export interface NamedTensor extends IndexedTensor {
  readonly name: string;
}

/** `parts`: the tensors of the checkpoint that it is made of, and those that belong to it without being read. */
export type StoredTensor = (PlainTensor | PackedTensor) & { readonly parts: readonly string[] };

export interface PlainTensor {
  readonly kind: 'plain';
  readonly format: PlainFormat;
  readonly tensor: NamedTensor;
}

/** [stack, rows, inputs]; a tensor without a stack has a stack of 1. */
export interface PackedTensor {
  readonly kind: 'packed';
  readonly format: PackedFormat;
  readonly stack: number;
  readonly rows: number;
  readonly inputs: number;
  readonly codes: Codes;
  readonly scales: Scales;
  /** null for float formats. */
  readonly biases: Biases | null;
  /** Multiplies all scales of one member of the stack; null for 1. */
  readonly factor: Factor | null;
  /** GPTQ's group of each input, int32 [inputs], which must be that of its place; null if there is none. */
  readonly inputGroups: NamedTensor | null;
}

/**
 * `rows`: [stack, rows, inputs] as canonical rows have them. The others are transposed and without a stack: `awq`
 * [inputs, rows / 8] int32 with the codes of 8 rows in its own order, `gptq` [inputs * bits / 32, rows] int32 with the
 * codes of successive inputs, the first in the lowest bits.
 */
export interface Codes {
  readonly order: 'rows' | 'awq' | 'gptq';
  readonly tensor: NamedTensor;
}

/**
 * `rows`: [stack, rows, groups] in the format's own type. `grid`: [stack, gridRows, gridColumns], each for `rowsPerScale` rows
 * and `inputsPerScale` inputs. `transposed`: [inputs / inputsPerScale, rows].
 */
export type Scales =
  | { readonly layout: 'rows'; readonly tensor: NamedTensor }
  | {
      readonly layout: 'grid';
      readonly tensor: NamedTensor;
      readonly type: PlainFormat | 'e8m0';
      readonly gridRows: number;
      readonly gridColumns: number;
      readonly rowsPerScale: number;
      readonly inputsPerScale: number;
    }
  | {
      readonly layout: 'transposed';
      readonly tensor: NamedTensor;
      readonly type: PlainFormat;
      readonly inputsPerScale: number;
    };

/** `rows`: as scales. `multiple`: the scale times `by`. `zeros`: the scale times -(zero + plus), zeros being codes [groups, rows]. */
export type Biases =
  | { readonly kind: 'rows'; readonly tensor: NamedTensor }
  | { readonly kind: 'multiple'; readonly by: number }
  | { readonly kind: 'zeros'; readonly tensor: NamedTensor; readonly order: 'awq' | 'gptq'; readonly plus: 0 | 1 };

/** f32, one for each member of the stack or one for all: the factor is value / divisor, or the inverse of the value. */
export interface Factor {
  readonly tensor: NamedTensor;
  readonly divisor: number;
  readonly inverse: boolean;
}
