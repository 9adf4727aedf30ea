// The only place that loads the .node file; says what it tried when that fails.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Addon } from './addon-types.ts';

const ADDON_PATH = join('native', 'build', 'Release', 'conclave.node');

let loaded: Addon | undefined;

/** Loads the native addon once. Throws with the remedy when it was not built for this machine. */
export function loadAddon(): Addon {
  loaded ??= requireAddon(join(packageRoot(), ADDON_PATH));
  return loaded;
}

function requireAddon(path: string): Addon {
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    throw new Error(`The native addon could not be loaded from ${path}. Run \`npm run build\` on this machine.`, {
      cause,
    });
  }
}

/** Sources run from the repository root or from dist/: the root is where package.json is. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
