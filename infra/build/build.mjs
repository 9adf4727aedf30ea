// `npm run build`: TypeScript to dist/, the addon to native/build/, and a `conclave` command for npx.
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildNative } from './build-native.mjs';
import { STAMP_PATH, sourceFingerprint } from './source-fingerprint.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const require = createRequire(import.meta.url);

function compileTypeScript() {
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
  if (status !== 0) throw new Error('TypeScript did not compile.');
}

/** npm links a package's own `bin` only where it is a dependency; npx finds this one. */
function linkCommand() {
  const link = join(root, 'node_modules', '.bin', 'conclave');
  rmSync(link, { force: true });
  symlinkSync(join('..', '..', 'infra', 'cli', 'conclave.mjs'), link);
}

export function build() {
  const fingerprint = sourceFingerprint();
  compileTypeScript();
  buildNative();
  linkCommand();
  mkdirSync(dirname(STAMP_PATH), { recursive: true });
  writeFileSync(STAMP_PATH, fingerprint);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    build();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
