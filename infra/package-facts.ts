// Facts about this installation that files beside the code tell.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}

/** The folder of package.json: code runs from dist/ below it, models and built binaries lie beside. */
export const PACKAGE_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** The checkpoint that is served when none is named. */
export const DEMO_MODEL = join(PACKAGE_ROOT, 'models', 'demo');

/** Version of this software. */
export const VERSION: string = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')).version;
