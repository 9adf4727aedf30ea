// The `quantization` of an MLX checkpoint's config.json. Pure.
import { type PackedFormat, packedLayout } from '../../native/weight-format.ts';
import type { MlxTarget } from './mlx-targets.ts';
import type { QuantizationChoice } from './quantization-choice.ts';

/** The parameters of most modules, and those of each that differs; false for one that stays plain. */
export function moduleEntries(
  { mode, bits, group }: QuantizationChoice,
  chosen: readonly { readonly target: MlxTarget; readonly format: PackedFormat | null }[],
): Readonly<Record<string, unknown>> {
  const others = chosen.flatMap(({ target, format }): [string, unknown][] => {
    if (target.parts[0]?.kind !== 'matrix') return [];
    const module = target.name.replace(/\.weight$/, '');
    if (format === null) return [[module, false]];
    const own = packedLayout(format);
    const isUsual = own.bits === bits && own.group === group && own.affine === (mode === 'affine');
    return isUsual ? [] : [[module, { group_size: own.group, bits: own.bits }]];
  });
  return { group_size: group, bits, mode, ...Object.fromEntries(others) };
}
