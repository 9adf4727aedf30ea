import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runConclave } from '../../run-conclave.ts';

const home = mkdtempSync(join(tmpdir(), 'cv-doctor-'));
after(() => rmSync(home, { recursive: true }));

test('doctor has the reason why a configured Redis does not answer', () => {
  const config = join(home, 'conclave.yaml');
  writeFileSync(config, `redisUrl: unix://${join(home, 'missing.sock')}\n`);
  const { stdout } = runConclave('doctor', '--json', '--home', home, '--config', config);
  const { findings } = JSON.parse(stdout) as { findings: readonly { what: string; detail: string }[] };
  assert.match(findings.find(({ what }) => what === 'redis')?.detail ?? '', /does not answer \(connect ENOENT .*\)/);
});
