// The worker's process: configuration, signals, exit code. `npm start` and deployments run this file; it takes
// `--config FILE`, `--model FOLDER`, `--name NAME`, `--node ID` and `--threads N`.
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config/read-config.ts';
import { DomainError } from '../infra/errors/domain-error.ts';
import { fileFailure } from '../infra/errors/file-failure.ts';
import { createLogger } from '../infra/log/logger.ts';
import { exitWithParent } from '../infra/process/exit-with-parent.ts';
import { exitWhenLate } from './serve/exit-when-late.ts';
import { serveModel } from './serve/serve-model.ts';

async function main(): Promise<void> {
  exitWithParent();
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      model: { type: 'string' },
      name: { type: 'string' },
      node: { type: 'string' },
      threads: { type: 'string' },
    },
  });
  const { config: file, model, threads } = values;
  const config = readConfig({
    ...(file === undefined ? {} : { config: file }),
    ...(model === undefined ? {} : { model }),
    ...(threads === undefined ? {} : { threads: Number(threads) }),
  });
  const folder = config.model === undefined ? null : resolve(config.model);
  const log = createLogger('worker', config.logLevel);
  const stop = new AbortController();
  const leave = () => {
    if (stop.signal.aborted) return;
    stop.abort();
    exitWhenLate(config.drainSeconds, log);
  };
  // Not once(): the signal can arrive twice, from a service manager that signals every process and then from the parent.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, leave);
  const nodeId = values.node ?? `${hostname()}-${process.pid}`;
  await serveModel({ config, folder, name: values.name ?? config.servedModelName ?? null, nodeId, log }, stop.signal);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    // A person reads the last line, so an expected failure is one sentence.
    const expected = error instanceof DomainError ? error : fileFailure(error);
    console.error(expected === undefined ? error : `conclave worker: ${expected.message}`);
    process.exit(1);
  },
);
