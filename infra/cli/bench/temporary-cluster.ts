// A whole cluster (Redis, gateway, worker) in a temporary home, as `conclave start` runs it, for as long as a bench lasts.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packsRoot } from '../../../workers/pack/pack-folder.ts';
import { readConfig } from '../../config/read-config.ts';
import { homeFolder } from '../home-folder.ts';
import { type ReadyFile, runCluster } from '../supervise/run-cluster.ts';
import type { BenchFlags } from './bench-engine.ts';
import { say } from './report-bench.ts';
import { unlessInterrupted } from './unless-interrupted.ts';

/** Runs `use` against a cluster that serves the model; stops it afterwards, also when interrupted. */
export async function withTemporaryCluster<T>(flags: BenchFlags, use: (cluster: ReadyFile) => Promise<T>): Promise<T> {
  const home = mkdtempSync(join(tmpdir(), 'conclave-bench-'));
  try {
    const configFile = prepareHome(home, flags);
    // The environment may name a real system; the benchmark uses its own.
    const config = readConfig({ config: configFile, home, port: 0, model: resolve(flags.model) }, {});
    const cluster = await runCluster({ config, configFile, say });
    try {
      return await unlessInterrupted(use(cluster.ready));
    } finally {
      await cluster.stop();
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Packs are built once and used by bench and worker alike. Returns the path of the configuration. */
function prepareHome(home: string, flags: BenchFlags): string {
  const packs = resolve(packsRoot(homeFolder(flags.home, process.env)));
  mkdirSync(packs, { recursive: true });
  symlinkSync(packs, packsRoot(home));
  const configFile = join(home, 'conclave.yaml');
  writeFileSync(configFile, JSON.stringify({ worker: { threads: flags.threads ?? null, speculation: 'off' } }));
  return configFile;
}
