import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { costOf } from '../../../workers/plan/cost.ts';
import { MAC_CHIPS, type MacChip } from '../../../workers/plan/mac-chips.ts';
import { MACHINES } from '../../../workers/plan/presets.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

function row({
  name,
  memoryGigabytes,
  gigabytesPerSecond,
  gpuCores,
  teraflops,
  teraflopsAre,
  family,
}: MacChip): string {
  const single = `${teraflopsAre === 'estimated' ? '~' : ''}${teraflops}`;
  return [name, memoryGigabytes.join(', '), gigabytesPerSecond, gpuCores, single, family].join('|');
}

test('docs/plan.md has every chip with the figures that are computed with', () => {
  const lines = readFileSync(join(REPOSITORY_ROOT, 'docs', 'plan.md'), 'utf8').split('\n');
  const rows = lines.filter((line) => /^\| m\d/.test(line)).map((line) => line.slice(1, -1).split('|'));
  assert.deepEqual(
    rows.map((cells) => cells.map((cell) => cell.trim()).join('|')),
    MAC_CHIPS.map(row),
  );
});

test('a chip alone is the one with most memory, and the paper has its machine', () => {
  assert.equal(MACHINES['m4-max']?.memoryBytes, MACHINES['m4-max-128']?.memoryBytes);
  assert.deepEqual(
    [MACHINES['m2-ultra']?.memoryBytes, MACHINES['m2-ultra']?.bytesPerSecond, MACHINES['m2-ultra']?.dollars],
    [144e9, 800e9, 6_599],
  );
});

test('chips of a tier get faster, never slower, but for the M3 Pro', () => {
  const rates = MAC_CHIPS.map(({ name, gigabytesPerSecond }) => ({ name, gigabytesPerSecond }));
  for (const tier of ['', '-pro', '-max', '-ultra']) {
    const bandwidths = rates.filter(({ name }) => /^m\d(.*)$/.exec(name)?.[1] === tier && name !== 'm3-pro');
    const sorted = bandwidths.toSorted((a, b) => a.gigabytesPerSecond - b.gigabytesPerSecond);
    assert.deepEqual(sorted, bandwidths);
  }
});

test('a machine without a price leaves the cost unknown, also beside one that has a price', () => {
  const machine = (name: string) => ({ ...nodeOf(name), name, host: name });
  const assumptions = { years: 3, utilization: 0.3, dollarsPerKilowattHour: 0.15 };
  assert.equal(costOf([machine('m2-ultra'), machine('m4-max')], 10, assumptions, null), null);
  assert.equal(costOf([machine('m2-ultra')], 10, assumptions, null)?.dollars, 6_599);
});

function nodeOf(name: string) {
  const preset = MACHINES[name];
  assert.ok(preset);
  return { ...preset, maxExperts: null, hostBytesPerSecond: preset.bytesPerSecond, hostFlops: preset.flops };
}
