// Machines, links and systems that people plan with. Where a number comes from stands beside it; what is not published
// says so. In: a name. Out: numbers.
import { MAC_CHIPS, type MacChip } from './mac-chips.ts';
import type { Link, PlannedNode } from './machine.ts';

export interface MachinePreset
  extends Omit<PlannedNode, 'name' | 'host' | 'hostBytesPerSecond' | 'hostFlops' | 'maxExperts'> {
  readonly description: string;
}

/** macOS lets the GPU keep three quarters of the memory; `iogpu.wired_limit_mb` raises that. */
const WIRED = 0.75;
/** The paper counts half precision at twice the single. Conclave's kernels compute in single: an upper bound. */
const HALF_PRECISION = 2;

/** Base prices as launched with the usual prices of options, and watts at most; not re-checked. Others are not known here. */
const PRICES: Readonly<Record<string, Pick<MachinePreset, 'dollars' | 'watts'>>> = {
  'm2-ultra-192': { dollars: 6_599, watts: 295 },
  'm3-ultra-256': { dollars: 7_099, watts: 270 },
  'm3-ultra-512': { dollars: 9_499, watts: 270 },
};

function macPreset(chip: MacChip, gigabytes: number): MachinePreset {
  const { family, gpuCores, gigabytesPerSecond, teraflops } = chip;
  return {
    description: `Mac with ${chip.name}, ${gigabytes} GB, ${gpuCores}-core GPU (${family})`,
    memoryBytes: gigabytes * 1e9 * WIRED,
    bytesPerSecond: gigabytesPerSecond * 1e9,
    flops: teraflops * 1e12 * HALF_PRECISION,
    ...(PRICES[`${chip.name}-${gigabytes}`] ?? { dollars: 0, watts: 0 }),
  };
}

/** A chip's name alone is the one with most memory: `m2-ultra` is the machine of the paper. */
function presetsOf(chip: MacChip): readonly (readonly [string, MachinePreset])[] {
  const sizes = chip.memoryGigabytes.map((size) => [`${chip.name}-${size}`, macPreset(chip, size)] as const);
  return [[chip.name, macPreset(chip, Math.max(...chip.memoryGigabytes))], ...sizes];
}

export const MACHINES: Readonly<Record<string, MachinePreset>> = Object.fromEntries(MAC_CHIPS.flatMap(presetsOf));

export const LINKS: Readonly<Record<string, Link & { readonly description: string }>> = {
  '10gbe': {
    name: '10gbe',
    description: '10 Gigabit Ethernet, about 1 ms an exchange as the paper implies',
    latencySeconds: 1e-3,
    perNodeSeconds: 0,
    stepSeconds: 0,
    bytesPerSecond: 1.25e9,
  },
  thunderbolt: {
    name: 'thunderbolt',
    description: 'Thunderbolt 5 with TCP: 0.3 ms as reported by users of Apple TN3205, 3.5 GB/s',
    latencySeconds: 0.3e-3,
    perNodeSeconds: 0,
    stepSeconds: 0,
    bytesPerSecond: 3.5e9,
  },
  'thunderbolt-rdma': {
    name: 'thunderbolt-rdma',
    description:
      'Thunderbolt 5 with RDMA (macOS 26.2): 10 us (users report 5 to 50), 3.5 GB/s. Conclave does not use it yet',
    latencySeconds: 10e-6,
    perNodeSeconds: 0,
    stepSeconds: 0,
    bytesPerSecond: 3.5e9,
  },
  'rdma-25g': {
    name: 'rdma-25g',
    description: '25 Gb/s RDMA card, 0.75 us: the class the paper estimates with. Conclave does not use it',
    latencySeconds: 0.75e-6,
    perNodeSeconds: 0,
    stepSeconds: 0,
    bytesPerSecond: 3.125e9,
  },
};

/** What something else costs and delivers. */
export interface Alternative {
  readonly name: string;
  readonly dollars: number;
  readonly tokensPerSecond: number;
}

export const ALTERNATIVES: Readonly<Record<string, Alternative & { readonly description: string }>> = {
  '8xh100': {
    name: '8xh100',
    description:
      'the 8 x H100 server the paper compares with; its price and rate are reconstructed from published ratios',
    dollars: 289_000,
    tokensPerSecond: 112.5,
  },
};
