// Runs before `npm start` and `npm test`: installs packages and builds when that was not done since the last change.
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STAMP_PATH, sourceFingerprint } from './source-fingerprint.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

function packagesAreInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

function installPackages() {
  console.error('Installing packages (npm ci) …');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('`npm ci` failed; see above.');
}

function isBuilt() {
  return existsSync(STAMP_PATH) && readFileSync(STAMP_PATH, 'utf8') === sourceFingerprint();
}

try {
  if (!packagesAreInstalled()) installPackages();
  if (!isBuilt()) {
    console.error('Building …');
    const { build } = await import('./build.mjs');
    build();
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
