// `conclave bench hop --json` from end to end: which numbers come, not how large they are.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

const run = promisify(execFile);
const CONCLAVE = join(REPOSITORY_ROOT, 'infra', 'cli', 'conclave.mjs');

for (const topology of ['centralized', 'decentralized']) {
  test(`${topology}: reports every combination beside bare commands, and nothing else on stdout`, async () => {
    const small = ['--nodes', '2,3', '--rows', '1,100', '--blocks', '2', '--rounds', '5', '--warm-up', '5'];
    const args = [CONCLAVE, 'bench', 'hop', '--topology', topology, ...small, '--json'];
    const { stdout } = await run(process.execPath, args);
    const { hops } = JSON.parse(stdout);
    assert.deepEqual(
      hops.map(({ nodes, rows, bytes }: { nodes: number; rows: number; bytes: number }) => [nodes, rows, bytes]),
      [
        [2, 1, 2 * 1536 * 2],
        [2, 100, 200 * 1536 * 2],
        [3, 1, 1536 * 2],
        [3, 100, 133 * 1536 * 2],
      ],
    );
    for (const { hop_us, bare_us, ratio } of hops) {
      assert.ok(hop_us.min > 0 && hop_us.min <= hop_us.median && hop_us.median <= hop_us.max);
      assert.ok(bare_us.min > 0 && ratio > 0);
    }
  });
}
