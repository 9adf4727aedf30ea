// How matrices are stored, and what that takes. Numbers, bytes and layout are those of core/weight-format.h and
// core/panel-layout.h.

/** Type of a number as checkpoints store it. */
export type PlainFormat = 'f32' | 'f16' | 'bf16';

/** Inputs that share a scale. */
export type GroupSize = 16 | 32 | 64 | 128;

type AffineCodes = `affine${2 | 3 | 4 | 5 | 6 | 8}`;
type FloatCodes = 'e2m1' | 'e4m3';

/**
 * Codes of a few bits, the size of a group, and the type of a group's scale. Affine: code * scale + bias with an unsigned code
 * and a bias of the scale's type. Float: code * scale; e4m3 scales have a factor per matrix beside them.
 */
export type PackedFormat =
  | `${AffineCodes}-g${GroupSize}-${PlainFormat}`
  | `${FloatCodes}-g${GroupSize}-${'e8m0' | 'e4m3' | 'f32'}`;

/** How a matrix is stored. */
export type WeightFormat = PlainFormat | PackedFormat;

export const BYTES_PER_WEIGHT: Readonly<Record<PlainFormat, number>> = { f32: 4, f16: 2, bf16: 2 };

/** Outputs in one panel of the kernels' layout. */
export const PANEL_OUTPUTS = 32;

/** Types of scales as the addon numbers them (ScaleType). */
const SCALES = { f32: { number: 1, bytes: 4 }, f16: { number: 2, bytes: 2 }, bf16: { number: 3, bytes: 2 } } as const;
const SCALE_TYPES = { ...SCALES, e8m0: { number: 4, bytes: 1 }, e4m3: { number: 5, bytes: 1 } } as const;

/** Codes as the addon numbers them (WeightCodes). */
const CODES = {
  affine2: { number: 3, bits: 2 },
  affine3: { number: 4, bits: 3 },
  affine4: { number: 5, bits: 4 },
  affine5: { number: 6, bits: 5 },
  affine6: { number: 7, bits: 6 },
  affine8: { number: 8, bits: 8 },
  e2m1: { number: 9, bits: 4 },
  e4m3: { number: 10, bits: 8 },
} as const;
const PLAIN_NUMBERS: Readonly<Record<PlainFormat, number>> = { f32: 0, f16: 1, bf16: 2 };

export interface PackedLayout {
  /** Of a code. */
  readonly bits: number;
  readonly group: number;
  readonly scales: keyof typeof SCALE_TYPES;
  /** Bytes of one scale, and of one bias. */
  readonly scaleBytes: number;
  readonly affine: boolean;
  /** Whether scales are multiplied by an f32 factor. */
  readonly hasFactor: boolean;
}

export function isPacked(format: WeightFormat): format is PackedFormat {
  return !isPlain(format);
}

function isPlain(format: WeightFormat): format is PlainFormat {
  return format in PLAIN_NUMBERS;
}

/** What a packed format is made of. */
export function packedLayout(format: PackedFormat): PackedLayout {
  const { codes, group, scales } = partsOf(format);
  return {
    bits: CODES[codes].bits,
    group,
    scales,
    scaleBytes: SCALE_TYPES[scales].bytes,
    affine: codes.startsWith('affine'),
    hasFactor: scales === 'e4m3',
  };
}

function partsOf(format: PackedFormat) {
  const [codes, group, scales] = format.split('-');
  return {
    codes: codes as keyof typeof CODES,
    group: Number(group?.slice(1)),
    scales: scales as keyof typeof SCALE_TYPES,
  };
}

/** Whether `text` names a format. */
export function isWeightFormat(text: string): text is WeightFormat {
  if (text in PLAIN_NUMBERS) return true;
  const match =
    /^(?:affine[234568]-g(?:16|32|64|128)-(?:f32|f16|bf16)|e[24]m[13]-g(?:16|32|64|128)-(?:e8m0|e4m3|f32))$/;
  return match.test(text) && (text.split('-')[0] ?? '') in CODES;
}

/** As the addon reads a format (weightFormatOf). */
export function formatNumber(format: WeightFormat): number {
  if (isPlain(format)) return PLAIN_NUMBERS[format];
  const { codes, group, scales } = partsOf(format);
  return CODES[codes].number + 16 * SCALE_TYPES[scales].number + 256 * group;
}

/** Bytes of one panel: 32 outputs. Inputs are a multiple of a packed format's group, or are padded to a pair. */
export function panelBytes(format: WeightFormat, inputs: number): number {
  if (isPlain(format)) return PANEL_OUTPUTS * Math.ceil(inputs / 2) * 2 * BYTES_PER_WEIGHT[format];
  const { bits, group, scaleBytes, affine, hasFactor } = packedLayout(format);
  const scales = Math.ceil(((inputs / group) * PANEL_OUTPUTS * scaleBytes) / 64) * 64;
  return (hasFactor ? PANEL_OUTPUTS * 4 : 0) + (affine ? 2 : 1) * scales + (PANEL_OUTPUTS * inputs * bits) / 8;
}

/** Bytes of a matrix without a layout's padding: codes, scales and biases. */
export function matrixBytes(format: WeightFormat, outputs: number, inputs: number): number {
  if (isPlain(format)) return outputs * inputs * BYTES_PER_WEIGHT[format];
  const { bits, group, scaleBytes, affine } = packedLayout(format);
  return (outputs * inputs * bits) / 8 + outputs * (inputs / group) * scaleBytes * (affine ? 2 : 1);
}
