// Where a checkpoint keeps a tensor that a family's mapping names, by how it says that it is quantised. In: scheme, index, name
// and shape. Out: a StoredTensor, null if there is none, or DomainError `bad_checkpoint` naming file and tensor. Pure.
import type { CheckpointIndex } from '../checkpoint-index.ts';
import { locateBlocks, locateNibbles } from './locate-float4.ts';
import { locateFloat8, UNREAD_SUFFIXES } from './locate-float8.ts';
import { locateAwq, locateGptq, locatePackedIntegers } from './locate-integers.ts';
import { locateMlx } from './locate-mlx.ts';
import { type LogicalTensor, plainTensor } from './logical-tensor.ts';
import type { QuantizationScheme } from './quantization-config.ts';
import type { NamedTensor, StoredTensor } from './stored-tensor.ts';
import { badTensor, findTensor } from './tensor-lookup.ts';

const SUFFIX = '.weight';
/** Names of codes in the place of `P.weight`. */
const CODE_SUFFIXES = ['.weight_packed', '.qweight'] as const;

/** Whether a checkpoint has a tensor, under its own name or as codes. */
export function hasTensor({ tensors }: CheckpointIndex, name: string): boolean {
  return tensors.has(name) || codeNames(name).some((one) => tensors.has(one));
}

function codeNames(name: string): string[] {
  return name.endsWith(SUFFIX) ? CODE_SUFFIXES.map((suffix) => name.slice(0, -SUFFIX.length) + suffix) : [];
}

export function locateTensor(
  scheme: QuantizationScheme,
  index: CheckpointIndex,
  logical: LogicalTensor,
): StoredTensor | null {
  if (scheme.kind === 'mlx') return locateMlx(scheme.modules, index, logical);
  const tensor = findTensor(index, logical.name);
  if (tensor === null) return locateCodes(scheme, index, logical);
  refuseBoth(index, tensor);
  if (scheme.kind === 'mxfp4' && tensor.name.endsWith('_blocks')) return locateBlocks(index, tensor, logical);
  if (scheme.kind === 'none' || logical.shape.length < 2) return plainTensor(tensor, logical);
  if (tensor.dtype === 'F8_E4M3')
    return locateFloat8(index, tensor, logical, scheme.kind === 'fp8' ? scheme.block : null);
  if (scheme.kind === 'modelopt' && tensor.dtype === 'U8')
    return locateNibbles(index, pathOf(tensor.name), tensor, logical);
  return plainTensor(tensor, logical);
}

function locateCodes(scheme: QuantizationScheme, index: CheckpointIndex, logical: LogicalTensor): StoredTensor | null {
  const [codes] = codeNames(logical.name).flatMap((name) => findTensor(index, name) ?? []);
  if (codes === undefined) return null;
  const path = pathOf(logical.name);
  if (scheme.kind === 'awq') return locateAwq(index, path, codes, logical);
  if (scheme.kind === 'gptq') return locateGptq(index, path, codes, logical, scheme);
  if (scheme.kind === 'compressed-tensors') {
    const isIntegers = codes.dtype === 'I32';
    return (isIntegers ? locatePackedIntegers : locateNibbles)(index, path, codes, logical);
  }
  throw badTensor(codes, 'holds codes, but config.json has no "quantization_config" that says which');
}

/** A half-converted mixture. */
function refuseBoth(index: CheckpointIndex, tensor: NamedTensor): void {
  const codes = codeNames(tensor.name).find((name) => index.tensors.has(name));
  if (codes !== undefined) throw badTensor(tensor, `is there as "${codes}" too: expected one of them`);
}

/** Whether a tensor belongs to a quantised one without being read. */
export function isUnreadPart(scheme: QuantizationScheme, name: string): boolean {
  return scheme.kind !== 'none' && UNREAD_SUFFIXES.some((suffix) => name.endsWith(suffix));
}

function pathOf(name: string): string {
  return name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name;
}
