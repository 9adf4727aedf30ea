// All Metal kernels as one source text: what the Mac's runtime compiler gets, and what test/native checks. Every quoted
// include below native/metal/kernels is put in its place, once.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const kernels = join(root, 'native', 'metal', 'kernels');

export function shaderSource() {
  const included = new Set();
  const expand = (name) => {
    if (included.has(name)) return '';
    included.add(name);
    const text = readFileSync(join(kernels, name), 'utf8').replace(/^#pragma once\n/m, '');
    return text.replace(/^#include "([^/"]+)"\n/gm, (_, header) => expand(basename(header)));
  };
  const names = readdirSync(kernels).filter((name) => name.endsWith('.metal'));
  return names.sort().map(expand).join('\n');
}

/** Writes the text as a C++ header for apple-device.mm. */
export function embedShaders() {
  const folder = join(root, 'native', 'build', 'generated');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'shader-source.h'),
    `static const char shaderSource[] = R"metal(${shaderSource()})metal";\n`,
  );
}
