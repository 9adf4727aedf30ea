// Machines, links and systems that people plan with. Where a number comes from stands beside it; what is not published
// says so. In: a name. Out: numbers.
import type { Link, PlannedNode } from './machine.ts';

export interface MachinePreset
  extends Omit<PlannedNode, 'name' | 'host' | 'hostBytesPerSecond' | 'hostFlops' | 'maxExperts'> {
  readonly description: string;
}

/** macOS lets the GPU keep three quarters of the memory; `iogpu.wired_limit_mb` raises that. */
const WIRED = 0.75;

export const MACHINES: Readonly<Record<string, MachinePreset>> = {
  'm2-ultra': {
    description: 'Mac Studio M2 Ultra, 192 GB, 76-core GPU: the machine of the paper',
    memoryBytes: 192e9 * WIRED,
    // Apple; 54 TFLOPS is half precision, from memory: 27.2 single is published.
    bytesPerSecond: 800e9,
    flops: 54e12,
    // Base price as launched and the usual prices of options; not re-checked.
    dollars: 6_599,
    watts: 295,
  },
  'm3-ultra-256': {
    description: 'Mac Studio M3 Ultra, 256 GB, 80-core GPU',
    memoryBytes: 256e9 * WIRED,
    bytesPerSecond: 819e9,
    flops: 57e12,
    dollars: 7_099,
    watts: 270,
  },
  'm3-ultra-512': {
    description: 'Mac Studio M3 Ultra, 512 GB, 80-core GPU',
    memoryBytes: 512e9 * WIRED,
    bytesPerSecond: 819e9,
    flops: 57e12,
    dollars: 9_499,
    watts: 270,
  },
};

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
