// Formats the C++ sources with clang-format 16, or lists unformatted ones with `--check`.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const FOLDERS = [
  'native/addon',
  'native/core',
  'native/cpu',
  'native/exchange',
  'native/metal',
  'native/metal/emulated',
  'native/sampler',
  'test/native',
  'test/native/metal',
];

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => join(folder, name)),
);
const mode = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
const { status, error } = spawnSync('clang-format-16', ['--style=file:native/.clang-format', ...mode, ...files], {
  cwd: root,
  stdio: 'inherit',
});
if (error !== undefined) console.error('clang-format 16 was not found (apt-get install clang-format-16).');
process.exitCode = status ?? 1;
