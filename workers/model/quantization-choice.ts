// What becomes of a matrix when a checkpoint is quantised. In: what was asked for, and the matrix. Out: its format. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GroupSize, PackedFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import type { MlxTarget } from './mlx-targets.ts';
import type { Checkpoint } from './open-checkpoint.ts';
import { AFFINE_BITS, type AffineBits, affineFormat, MXFP4, MXFP8, NVFP4 } from './quantization/packed-rows.ts';

export const QUANTIZATION_MODES = ['affine', 'mxfp4', 'mxfp8', 'nvfp4'] as const;
export type QuantizationMode = (typeof QUANTIZATION_MODES)[number];

/** `bits` and `group` are those of the mode. */
export interface QuantizationChoice {
  readonly mode: QuantizationMode;
  readonly bits: number;
  readonly group: number;
  /** What stays plain. */
  readonly keep: readonly KeepName[];
}

const ROLES_OF_KEEP = {
  router: ['router', 'sharedGate'],
  lm_head: ['lmHead'],
  embedding: ['embedding'],
  attention: ['query', 'key', 'value', 'attentionOutput'],
  mlp: ['gateUp', 'down'],
  shared_expert: ['sharedGateUp', 'sharedDown'],
} as const satisfies Readonly<Record<string, readonly WeightRole[]>>;

export type KeepName = keyof typeof ROLES_OF_KEEP;
export const KEEP_NAMES = Object.keys(ROLES_OF_KEEP) as readonly KeepName[];

/** Routers decide between experts, and are small: mlx-lm gives them 8 bits, too. */
const ROUTER_BITS = 8;
const ROUTER_GROUP = 64;

const MODES = { mxfp4: [4, 32], mxfp8: [8, 32], nvfp4: [4, 16] } as const;
/** Those that MLX has. */
const GROUPS: readonly number[] = [32, 64, 128];

/** Throws DomainError `invalid_request` naming the option. */
export function readChoice(given: {
  readonly mode: QuantizationMode;
  readonly bits: number | undefined;
  readonly groupSize: number | undefined;
  readonly keep: readonly KeepName[];
}): QuantizationChoice {
  const { mode, keep } = given;
  const [usualBits, usualGroup] = mode === 'affine' ? [4, 64] : MODES[mode];
  const [bits, group] = [given.bits ?? usualBits, given.groupSize ?? usualGroup];
  if (mode === 'affine') {
    if (!AFFINE_BITS.some((one) => one === bits)) throw refusal('--bits', bits, `one of ${AFFINE_BITS.join(', ')}`);
    if (!GROUPS.includes(group)) throw refusal('--group-size', group, `one of ${GROUPS.join(', ')}`);
  } else {
    if (bits !== usualBits) throw refusal('--bits', bits, `${usualBits}, the one of ${mode}`);
    if (group !== usualGroup) throw refusal('--group-size', group, `${usualGroup}, the one of ${mode}`);
  }
  return { mode, bits, group, keep };
}

function refusal(option: string, value: number, expected: string): DomainError {
  return new DomainError('invalid_request', `Expected ${expected} but received ${value}.`, { param: option });
}

/** null for a tensor that stays plain: vectors, what is kept, and widths that the group does not divide. */
export function chosenFormat(
  { shape, parts }: MlxTarget,
  checkpoint: Checkpoint,
  { mode, bits, group, keep }: QuantizationChoice,
): PackedFormat | null {
  const [first] = parts;
  if (first === undefined || first.kind === 'vector' || keep.some((name) => isOf(name, first.role))) return null;
  const inputs = shape.at(-1) ?? 0;
  const { dtype } = checkpoint.tensor(first.source.tensor);
  if (isOf('router', first.role)) {
    return inputs % ROUTER_GROUP === 0 ? affineFormat(ROUTER_BITS, ROUTER_GROUP, dtype) : null;
  }
  if (inputs % group !== 0) return null;
  if (mode === 'affine') return affineFormat(bits as AffineBits, group as GroupSize, dtype);
  return { mxfp4: MXFP4, mxfp8: MXFP8, nvfp4: NVFP4 }[mode];
}

function isOf(name: KeepName, role: WeightRole): boolean {
  return (ROLES_OF_KEEP[name] as readonly WeightRole[]).includes(role);
}
