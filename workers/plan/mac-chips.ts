// Chips of Macs, as published: what `conclave plan` knows of each. Nothing of it is measured with Conclave.

export interface MacChip {
  readonly name: string;
  /** As Metal counts families; nodes of one family and one macOS are one numerics class. */
  readonly family: `Apple${number}`;
  /** Of the largest GPU that the chip is sold with, as are bandwidth and arithmetic. */
  readonly gpuCores: number;
  readonly memoryGigabytes: readonly number[];
  readonly gigabytesPerSecond: number;
  /** Single precision. Apple published it up to the M2; later ones are 256 operations per core and cycle at the clock people read. */
  readonly teraflops: number;
  readonly teraflopsAre: 'published' | 'estimated';
}

type Row = readonly [
  name: string,
  gpuCores: number,
  memory: readonly number[],
  bandwidth: number,
  teraflops: number,
  teraflopsAre: MacChip['teraflopsAre'],
];

// Bandwidth, memory and cores: Apple's announcements, compared with public tables. There is no M4 Ultra; of an M5 Ultra there
// are no figures that could be relied on.
const GENERATIONS: Readonly<Record<MacChip['family'], readonly Row[]>> = {
  Apple7: [
    ['m1', 8, [8, 16], 68, 2.6, 'published'],
    ['m1-pro', 16, [16, 32], 200, 5.2, 'published'],
    ['m1-max', 32, [32, 64], 400, 10.4, 'published'],
    ['m1-ultra', 64, [64, 128], 800, 21, 'published'],
  ],
  Apple8: [
    ['m2', 10, [8, 16, 24], 100, 3.6, 'published'],
    ['m2-pro', 19, [16, 32], 200, 6.8, 'published'],
    ['m2-max', 38, [32, 64, 96], 400, 13.6, 'published'],
    ['m2-ultra', 76, [64, 128, 192], 800, 27.2, 'published'],
  ],
  Apple9: [
    ['m3', 10, [8, 16, 24], 100, 3.5, 'estimated'],
    ['m3-pro', 18, [18, 36], 150, 6.4, 'estimated'],
    ['m3-max', 40, [48, 64, 128], 400, 14.1, 'estimated'],
    ['m3-ultra', 80, [96, 256, 512], 819, 28.2, 'estimated'],
    ['m4', 10, [16, 24, 32], 120, 4, 'estimated'],
    ['m4-pro', 20, [24, 48, 64], 273, 8.1, 'estimated'],
    ['m4-max', 40, [48, 64, 128], 546, 16.2, 'estimated'],
  ],
  Apple10: [
    ['m5', 10, [16, 24, 32], 153, 4.1, 'estimated'],
    ['m5-pro', 20, [24, 48, 64], 307, 8.3, 'estimated'],
    ['m5-max', 40, [48, 64, 128], 614, 16.6, 'estimated'],
  ],
};

export const MAC_CHIPS: readonly MacChip[] = Object.entries(GENERATIONS).flatMap(([family, rows]) =>
  rows.map(([name, gpuCores, memoryGigabytes, gigabytesPerSecond, teraflops, teraflopsAre]) => ({
    ...{ name, family: family as MacChip['family'], gpuCores, memoryGigabytes },
    ...{ gigabytesPerSecond, teraflops, teraflopsAre },
  })),
);
