// Builds native/build/Release/conclave.node offline: node-gyp against node-api-headers, so neither a download nor the
// headers of the running Node are needed. Node-API is stable across Node versions, and so is the binary.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embedShaders } from './embed-shaders.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const require = createRequire(import.meta.url);

// The files that node-gyp expects in a Node source tree, reduced to those that a Node-API addon uses.
const COMMON_GYPI = `{
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': { 'Release': {}, 'Debug': {} },
    'conditions': [
      ['OS=="mac"', { 'xcode_settings': { 'OTHER_LDFLAGS': ['-undefined dynamic_lookup'] } }],
      ['OS=="linux"', { 'cflags': ['-fPIC'], 'ldflags': ['-pthread'] }],
    ],
  },
}
`;

function prepareHeaders() {
  const nodedir = join(root, 'native', 'build', 'node-headers');
  const include = join(nodedir, 'include', 'node');
  mkdirSync(include, { recursive: true });
  cpSync(require('node-api-headers').include_dir, include, { recursive: true });
  writeFileSync(join(include, 'common.gypi'), COMMON_GYPI);
  return nodedir;
}

/** node-gyp lets npm's settings override its own arguments; another Node's headers must not come in that way. */
function withoutNpmSettings() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config|package)_/i.test(name)));
}

export function buildNative() {
  embedShaders();
  const nodeGyp = require.resolve('node-gyp/bin/node-gyp.js');
  const args = ['configure', 'build', '--release', `--nodedir=${prepareHeaders()}`, `--jobs=${availableParallelism()}`];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [nodeGyp, ...args, '--silent'], {
    cwd: join(root, 'native'),
    env: withoutNpmSettings(),
    encoding: 'utf8',
  });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  throw new Error(
    `The native addon did not build (${error?.message ?? `exit code ${status}`}). It needs a C++20 compiler, make and python3.`,
  );
}
