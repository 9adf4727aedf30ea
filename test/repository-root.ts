// Tests run from dist/; sources, fixtures and models are found from here.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}

export const REPOSITORY_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));
