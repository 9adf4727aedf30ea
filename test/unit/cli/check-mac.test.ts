import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMac, type MacFacts, parseSleep } from '../../../infra/cli/check-mac.ts';

const GIB = 1024 ** 3;
const STUDIO: MacFacts = {
  gpu: { name: 'Apple M2 Ultra', className: 'apple8', workingSetBytes: 176 * GIB },
  memoryBytes: 192 * GIB,
  macos: '15.2',
  sleepMinutes: 0,
};

function findings(change: Partial<MacFacts>) {
  return new Map(checkMac({ ...STUDIO, ...change }).map((finding) => [finding.what, finding]));
}

test('a Mac that is set up has nothing to complain about', () => {
  assert.deepEqual(
    [...findings({}).values()].map(({ state }) => state),
    ['ok', 'ok', 'ok', 'ok'],
  );
});

test('a wired limit that keeps a quarter of the memory from the GPU comes with the command that raises it', () => {
  const gpu = { name: 'Apple M2 Ultra', className: 'apple8', workingSetBytes: 144 * GIB };
  const wired = findings({ gpu }).get('wired');
  assert.equal(wired?.state, 'warn');
  assert.match(wired.detail, /iogpu\.wired_limit_mb=184320/);
});

test('a small Mac is not told to give all its memory to the GPU', () => {
  const gpu = { name: 'Apple M1', className: 'apple7', workingSetBytes: 5.3 * GIB };
  assert.equal(findings({ gpu, memoryBytes: 8 * GIB }).get('wired')?.state, 'ok');
});

test('no GPU, an old macOS and a Mac that sleeps are warnings that say what to do', () => {
  const bad = findings({
    gpu: 'Intel(R) Iris: Metal needs Apple silicon (M1 or newer)',
    macos: '14.7.1',
    sleepMinutes: 10,
  });
  assert.match(bad.get('gpu')?.detail ?? '', /Apple silicon.*computing on the CPU/);
  assert.match(bad.get('macos')?.detail ?? '', /upgrade to 15 or newer/);
  assert.match(bad.get('sleep')?.detail ?? '', /after 10 minutes.*pmset/);
  assert.deepEqual(
    ['gpu', 'macos', 'sleep'].map((what) => bad.get(what)?.state),
    ['warn', 'warn', 'warn'],
  );
});

test('reads when the system sleeps out of pmset', () => {
  assert.equal(parseSleep(' standby              1\n sleep                10 (sleep prevented by caffeinate)\n'), 10);
  assert.equal(parseSleep(' displaysleep         5\n sleep                0\n'), 0);
  assert.equal(parseSleep('nothing'), null);
});
