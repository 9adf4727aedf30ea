#!/usr/bin/env node
// The `conclave` command: plain JavaScript, so that it can print a remedy before anything is built.
import '../build/check-node.mjs';
import { existsSync } from 'node:fs';

const main = new URL('../../dist/infra/cli/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error('Conclave is not built yet. Run `npm ci && npm run build`, or `npm start`, which does both.');
  process.exitCode = 1;
}
