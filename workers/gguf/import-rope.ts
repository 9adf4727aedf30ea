// GGUF's rotary tables as config.json says them. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GgufEntries } from './gguf-entries.ts';

/** `rope_scaling`; null for the default table. Throws DomainError `bad_checkpoint` for a table that has no such form. */
export function readRopeScaling(entries: GgufEntries, factors: Float32Array | null): object | null {
  if (factors !== null) return llama3Scaling(entries, factors);
  const kind = entries.optionalText(`${entries.architecture}.rope.scaling.type`) ?? 'none';
  if (kind === 'none') return null;
  const factor = entries.number('rope.scaling.factor');
  if (kind === 'linear') return factor === 1 ? null : { type: 'linear', factor };
  if (kind !== 'yarn')
    throw entries.refusal(`${entries.architecture}.rope.scaling.type`, kind, '"none", "linear" or "yarn"');
  const gptOss = { beta_fast: 32, beta_slow: 1, truncate: false };
  return {
    rope_type: 'yarn',
    factor,
    original_max_position_embeddings: entries.number('rope.scaling.original_context_length'),
    ...(entries.architecture === 'gpt-oss' ? gptOss : {}),
  };
}

/** Of Llama 3.1 to 3.3; the file has what follows from these numbers, so they are tried. */
const LLAMA3 = { low: 1, high: 4, original: 8192 };

function llama3Scaling(entries: GgufEntries, factors: Float32Array): object {
  const factor = Math.round(factors.reduce((most, one) => Math.max(most, one), 0) * 1000) / 1000;
  const theta = entries.optionalNumber('rope.freq_base') ?? 10_000;
  for (const [index, stored] of factors.entries()) {
    const expected = llama3Factor(theta ** (index / factors.length), factor);
    if (Math.abs(stored - expected) > 1e-3 * expected) {
      const message = `${entries.path}: tensor "rope_freqs.weight" is not the table of Llama 3 for a factor of ${factor}`;
      throw new DomainError('bad_checkpoint', message, { param: 'rope_freqs.weight' });
    }
  }
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: LLAMA3.low,
    high_freq_factor: LLAMA3.high,
    original_max_position_embeddings: LLAMA3.original,
  };
}

/** What a frequency is divided by; `inverse` is 1 / frequency. */
function llama3Factor(inverse: number, factor: number): number {
  const { low, high, original } = LLAMA3;
  const length = 2 * Math.PI * inverse;
  if (length < original / high) return 1;
  if (length > original / low) return factor;
  const smooth = (original / length - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}
